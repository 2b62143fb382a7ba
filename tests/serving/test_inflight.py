"""Requests that are in flight when something happens: deadlines, withdrawals, company, drain."""

import os
import re
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from headrace.client.messages import InferCall
from headrace.core.errors import DeadlineError, ExhaustedError, UnavailableError
from headrace.serving import BatchingConfig

LIMIT_S = 60.0
BUSY_S = 0.6
"""How long the model is kept busy: time for what a test does meanwhile, should the machine stand still a while."""


@pytest.fixture
def slow(world, start, slow_model):
    """A server whose model keeps a request in flight for as long as its largest value says."""
    world.register(slow_model(), name="slow")

    def begin_slow(**changes):
        return start(models=("slow@1",), **({"threads": 8} | changes))

    return begin_slow


@pytest.fixture
def busy(slow) -> np.ndarray:
    """A row that takes about BUSY_S on this machine."""
    server, client = slow()
    row = np.array([[100, 0, 0, 0]], np.float32)
    client.infer("slow", row)
    begin = time.perf_counter()
    client.infer("slow", row)
    each_s = (time.perf_counter() - begin) / 100
    server.drain()
    return np.array([[max(100, round(BUSY_S / each_s)), 0, 0, 0]], np.float32)


def ask(client, row):
    """One request in a thread; the returned function waits for its answer or error."""
    results = []

    def run():
        try:
            results.append(client.infer("slow", row))
        except Exception as error:  # noqa: BLE001  the test looks at it
            results.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()

    def wait():
        thread.join(LIMIT_S)
        assert not thread.is_alive()
        return results[0]

    return wait


def version_of(server):
    return server._manager.fleet.deployments["slow"].champion


def until(condition):
    limit = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < limit
        time.sleep(0.001)


@pytest.mark.slow
def test_requests_behind_a_busy_model_share_one_batch(slow, busy):
    server, client = slow()
    first = ask(client, busy)
    until(lambda: version_of(server).running_batches == 1)
    others = [ask(client, busy) for _ in range(5)]
    until(lambda: version_of(server).waiting_rows == 5)
    for wait in (first, *others):
        assert wait().scores.tolist() == busy[0, :1].tolist()
    until(lambda: version_of(server).statistics.totals().batches == 2)  # counted once its answers are on their way
    batches = version_of(server).statistics.totals().by_batch_rows
    assert {rows: count for rows, (count, *_) in batches.items()} == {1: 1, 5: 1}


@pytest.mark.slow
def test_a_request_without_a_deadline_waits_its_turn(slow, busy):
    server, client = slow()
    first = ask(client, busy)
    until(lambda: version_of(server).running_batches == 1)
    patient = client._calls["ModelInfer"].future(InferCall("slow", busy).to_message(), timeout=None)
    assert first().scores.tolist() == busy[0, :1].tolist()
    assert patient.result().model_name == "slow"


WATCH = """
import os, select, sys, time
os.sched_setaffinity(0, {int(sys.argv[1])})
print("watching", flush=True)
while True:
    begin = time.perf_counter()
    if select.select([sys.stdin], [], [], 0.002)[0]:
        break
    if time.perf_counter() > begin + 0.004:
        print(begin, time.perf_counter())
"""


@pytest.fixture
def standstills():
    """Ends the watch and gives (begin, end), of `perf_counter`, of the times when a CPU did not run who was due.

    Watched from a process for each CPU: what this process, and with it the server, does wrong is not seen there.
    """
    watches = [
        subprocess.Popen(
            [sys.executable, "-c", WATCH, str(cpu)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for cpu in os.sched_getaffinity(0)
    ]
    for watch in watches:
        assert watch.stdout.readline() == "watching\n"
    yield lambda: [
        tuple(map(float, line.split())) for watch in watches for line in watch.communicate("end")[0].splitlines()
    ]
    for watch in watches:
        watch.kill()
        watch.wait()


@pytest.mark.slow
def test_a_deadline_in_the_queue_is_kept_by_the_server(slow, busy, standstills):
    """The server answers on time by itself, long before the model is free: the client's own deadline is far away.

    Every one of five requests, but for the time that the machine itself stood still.
    """
    server, client = slow()
    first = ask(client, busy)
    until(lambda: version_of(server).running_batches == 1)
    message = InferCall("slow", busy).to_message()
    message.parameters["timeout"].int64_param = 20_000
    asked = []
    for _ in range(5):
        begin = time.perf_counter()
        with pytest.raises(DeadlineError, match="the deadline passed after") as caught:
            client._call("ModelInfer", message)
        queued_s = float(re.search(r"after ([\d.]+) ms in the queue", str(caught.value))[1]) / 1e3
        asked.append((begin, time.perf_counter(), queued_s))
    assert version_of(server).running_batches == 1, "the model was free before the deadlines had passed"
    stood = standstills()
    for begin, end, queued_s in asked:
        still_s = sum(max(0.0, min(end, stop) - max(begin, start)) for start, stop in stood)
        assert 0.020 <= queued_s < 0.030 + still_s
        assert 0.020 <= end - begin < 0.1 + still_s
    assert first().scores.tolist() == busy[0, :1].tolist()


@pytest.mark.slow
def test_a_withdrawn_request_leaves_the_queue_and_its_mates_are_answered(slow, busy):
    server, client = slow()
    first = ask(client, busy)
    until(lambda: version_of(server).running_batches == 1)
    withdrawn = client._calls["ModelInfer"].future(InferCall("slow", busy).to_message(), timeout=LIMIT_S)
    until(lambda: version_of(server).waiting_rows == 1)
    mate = ask(client, busy)
    until(lambda: version_of(server).waiting_rows == 2)
    withdrawn.cancel()
    until(lambda: version_of(server).waiting_rows == 1)
    assert first().scores.tolist() == mate().scores.tolist() == busy[0, :1].tolist()
    totals = version_of(server).statistics.totals()
    assert totals.rows == 2
    until(lambda: version_of(server).statistics.totals().requests.get("CANCELLED") == 1)


@pytest.mark.slow
def test_a_full_queue_sheds_load_and_says_when_to_come_back(slow, busy):
    server, client = slow(batching=BatchingConfig(max_queue_rows=2))
    first = ask(client, busy)
    until(lambda: version_of(server).running_batches == 1)
    waiting = [ask(client, busy), ask(client, busy)]
    until(lambda: version_of(server).waiting_rows == 2)
    with pytest.raises(ExhaustedError, match="full: at most 2 rows may wait"):
        client.infer("slow", busy)
    for wait in (first, *waiting):
        assert wait().scores.tolist() == busy[0, :1].tolist()


@pytest.mark.slow
def test_a_drain_answers_what_is_in_flight_and_refuses_what_comes(slow, busy):
    server, client = slow()
    version = version_of(server)
    inside = [ask(client, busy)]
    until(lambda: version.running_batches == 1)
    inside += [ask(client, busy) for _ in range(3)]
    until(lambda: version.waiting_rows == 3)
    drained = []
    thread = threading.Thread(target=lambda: drained.append(server.drain()), daemon=True)
    thread.start()
    until(lambda: not server._application.service.ready)
    for wait in inside:
        assert wait().scores.tolist() == busy[0, :1].tolist()
    thread.join(LIMIT_S)
    assert drained == [True]
    with pytest.raises(UnavailableError):
        client.infer("slow", busy)
