"""Threads of the portable transport: few while calls move on, more while all are stuck."""

import threading
import time

import grpc
import pytest

from headrace.serving.transport import call_pool
from headrace.serving.transport.call_pool import CallPool
from headrace.serving.transport.grpcio import GrpcTransport
from headrace.serving.transport.seam import Kind

LIMIT_S = 30.0


@pytest.fixture
def pool():
    made = []

    def make(threads=2, limit=16):
        made.append(CallPool(threads, limit=limit, name="test"))
        return made[-1]

    yield make
    for found in made:
        found.shutdown()


def until(condition):
    limit = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < limit
        time.sleep(0.001)


def test_results_and_errors_reach_the_caller(pool):
    found = pool()
    assert found.submit(lambda a, b: a + b, 1, b=2).result(LIMIT_S) == 3
    with pytest.raises(ZeroDivisionError):
        found.submit(lambda: 1 / 0).result(LIMIT_S)
    assert found.submit(int).result(LIMIT_S) == 0


def test_a_call_gets_a_thread_though_all_are_stuck(pool):
    found = pool(threads=2)
    free = threading.Event()
    stuck = [found.submit(free.wait, LIMIT_S) for _ in range(5)]
    assert found.submit(lambda: "answered").result(LIMIT_S) == "answered"
    assert not any(future.done() for future in stuck)
    free.set()
    assert all(future.result(LIMIT_S) for future in stuck)


def test_calls_that_move_on_get_no_more_threads(pool, monkeypatch):
    monkeypatch.setattr(call_pool, "STUCK_S", 0.2)  # the machine may stand still for 10 ms
    found = pool(threads=2)
    futures = [found.submit(time.sleep, 0.002) for _ in range(100)]
    for future in futures:
        future.result(LIMIT_S)
    assert found.threads == 2


def test_there_are_never_more_threads_than_the_limit(pool):
    found = pool(threads=1, limit=3)
    free = threading.Event()
    stuck = [found.submit(free.wait, LIMIT_S) for _ in range(10)]
    until(lambda: found.threads == 3)
    time.sleep(3 * call_pool.STUCK_S)
    assert found.threads == 3
    free.set()
    assert all(future.result(LIMIT_S) for future in stuck)


@pytest.mark.parametrize("calls", [0, 200])
def test_threads_that_were_added_go_again(pool, monkeypatch, calls):
    """Whether or not more calls come."""
    monkeypatch.setattr(call_pool, "CALM_S", 0.05)
    found = pool(threads=2)
    free = threading.Event()
    stuck = [found.submit(free.wait, LIMIT_S) for _ in range(6)]
    until(lambda: found.threads == 6)
    free.set()
    assert all(future.result(LIMIT_S) for future in stuck)
    for _ in range(calls):
        found.submit(time.sleep, 0.001)
    until(lambda: found.threads == 2)


def test_a_pool_that_is_shut_down_takes_no_calls_and_ends_its_threads():
    found = CallPool(3, limit=5, name="ending")
    done = found.submit(lambda: 1)
    found.shutdown()
    assert done.result(LIMIT_S) == 1
    with pytest.raises(RuntimeError, match="shut down"):
        found.submit(int)
    until(lambda: not any(thread.name.startswith("ending") for thread in threading.enumerate()))


def test_a_call_withdrawn_before_it_began_never_runs(pool):
    found = pool(threads=1, limit=1)
    free, ran = threading.Event(), []
    first = found.submit(free.wait, LIMIT_S)
    until(first.running)
    second = found.submit(ran.append, 1)
    assert second.cancel()
    free.set()
    assert first.result(LIMIT_S)
    assert found.submit(lambda: list(ran)).result(LIMIT_S) == []


class Blocking:
    """An application whose slow method answers when it is let."""

    def __init__(self):
        self.free = threading.Event()
        self.inside = threading.Semaphore(0)

    def kind(self, path):
        return Kind.UNARY

    def answer(self, path, message, call):
        if path == "/test/Slow":
            self.inside.release()
            assert self.free.wait(LIMIT_S)
        return message

    def open(self, path, call, replies):
        raise AssertionError("no streams")


def test_calls_to_a_slow_method_leave_threads_for_the_others():
    """Twice as many calls as threads wait for one model; another model is asked, and answers."""
    application = Blocking()
    transport = GrpcTransport(application, threads=2)
    with grpc.insecure_channel(f"127.0.0.1:{transport.listen('127.0.0.1', 0)}") as channel:
        stuck = [channel.unary_unary("/test/Slow").future(b"slow", timeout=LIMIT_S) for _ in range(4)]
        for _ in range(2):
            assert application.inside.acquire(timeout=LIMIT_S)
        assert channel.unary_unary("/test/Fast")(b"fast", timeout=LIMIT_S) == b"fast"
        assert not any(call.done() for call in stuck)
        application.free.set()
        assert [call.result() for call in stuck] == [b"slow"] * 4
    assert transport.drain(1.0)
