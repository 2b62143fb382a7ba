"""The parts behind several workers: link, settings, back-off, merging, agreement."""

import socket
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

from headrace.core.errors import DeadlineError, InvalidInputError, NotFoundError, UnavailableError
from headrace.serving.config import BatchingConfig, Device, Door, LimitsConfig, ServingConfig, TlsConfig
from headrace.serving.telemetry.merge import add_up, merge, sums, to_families
from headrace.serving.workers.backoff import LAST_S, STEADY_S, delay_s, restarts_in_a_row
from headrace.serving.workers.link import Link
from headrace.serving.workers.port import SharedPort
from headrace.serving.workers.settings import read_settings, worker_settings
from headrace.serving.workers.statistics import merge_statistics
from headrace.wire import inference_pb2 as pb


def refuse(_given):
    raise NotFoundError("no such thing", hint="look elsewhere")


def break_down(_given):
    raise RuntimeError("secret")


@pytest.fixture
def links():
    """Two ends of a link; the far one answers `echo`, `refuse`, `break` and `wait`."""
    near_socket, far_socket = socket.socketpair()
    lost, released = threading.Event(), threading.Event()
    handlers = {
        "echo": lambda given: given,
        "refuse": refuse,
        "break": break_down,
        "wait": lambda _given: released.wait(10),
    }
    near, far = Link(near_socket, {"shout": lambda given: given["text"].upper()}, lost.set), Link(far_socket, handlers)
    near.start()
    far.start()
    yield near, far, lost
    released.set()
    near.close()
    far.close()
    lost.wait(10)


def test_either_side_of_a_link_calls_the_other(links):
    near, far, _ = links
    assert near.call("echo", 5, model="late", versions=[1, 2]) == {"model": "late", "versions": [1, 2]}
    assert far.call("shout", 5, text="loud") == "LOUD"


def test_an_error_crosses_a_link_with_code_text_and_hint(links):
    near, _, _ = links
    with pytest.raises(NotFoundError, match="no such thing") as caught:
        near.call("refuse", 5)
    assert caught.value.hint == "look elsewhere"


def test_an_unexpected_exception_crosses_a_link_as_a_correlation_id(links):
    near, _, _ = links
    with pytest.raises(Exception, match="break failed; correlation id") as caught:
        near.call("break", 5)
    assert "secret" not in str(caught.value)


def test_a_call_that_is_not_answered_in_time_is_given_up(links):
    near, _, _ = links
    with pytest.raises(DeadlineError, match=r"'wait' was not answered within 0\.05 s"):
        near.call("wait", 0.05)
    assert near.call("echo", 5) == {}


def test_calls_fail_when_the_other_process_goes(links):
    near, far, lost = links
    waiting = near.ask("wait")
    far.close()
    with pytest.raises(UnavailableError, match="the other process is gone"):
        waiting.result(10)
    assert lost.wait(10)
    with pytest.raises(UnavailableError, match="the other process is gone"):
        near.call("echo", 5)


def test_a_worker_reads_the_settings_its_supervisor_has():
    config = ServingConfig(
        models=("late", "early@2"),
        database=Path("a.db"),
        store=Path("store"),
        device=Device.CPU,
        door=Door.GRPCIO,
        batching=BatchingConfig(window_us=5, target_ms=2.5, parallel_batches=3),
        tls=TlsConfig(Path("c.pem"), Path("k.pem")),
        limits=LimitsConfig(max_connection_age_s=60.0),
        workers=4,
        port=0,
        metrics_port=9,
        ready_file=Path("ready"),
    )
    expected = ServingConfig(
        **{**vars(config), "workers": 1, "metrics_port": None, "ready_file": None},
    )
    assert read_settings(worker_settings(config)) == expected


def test_workers_share_the_cpus(monkeypatch):
    monkeypatch.setattr("headrace.serving.workers.settings.cpu_budget", lambda: 8)
    slots = {}
    for workers in (2, 4, 8, 16):
        config = ServingConfig(models=("late",), database=Path("a"), store=Path("b"), workers=workers)
        slots[workers] = read_settings(worker_settings(config)).batching.slots
    assert slots == {2: 3, 4: 1, 8: 1, 16: 1}


@given(st.integers(0, 10_000), st.floats(0, 1e6))
def test_the_wait_before_a_restart_grows_to_its_limit_and_ends_with_a_steady_worker(before, served_s):
    count = restarts_in_a_row(before, served_s)
    assert count == (0 if served_s >= STEADY_S else before + 1)
    assert 0 <= delay_s(count) <= delay_s(count + 1) <= LAST_S


def test_the_first_restarts_come_at_once():
    assert [delay_s(count) for count in range(6)] == [0, 0, 0, 0.25, 0.5, 1.0]
    assert delay_s(100) == LAST_S


def families(requests, queue_rows, seconds):
    counter = CounterMetricFamily("headrace_requests", "help", labels=("model",))
    counter.add_metric(("late",), requests)
    waiting = GaugeMetricFamily("headrace_queue_rows", "help", labels=("model",))
    waiting.add_metric(("late",), queue_rows)
    info = GaugeMetricFamily("headrace_version_info", "help", labels=("model",))
    info.add_metric(("late",), 1)
    memory = GaugeMetricFamily("process_resident_memory_bytes", "help")
    memory.add_metric((), 5)
    cpu = CounterMetricFamily("process_cpu_seconds", "help")
    cpu.add_metric((), 7)
    latency = HistogramMetricFamily("headrace_request_seconds", "help", labels=("model",))
    latency.add_metric(("late",), [("0.1", requests), ("+Inf", requests)], seconds)
    return to_families([counter, waiting, info, memory, cpu, latency])


def values(metrics):
    return {(sample.name, *sorted(sample.labels.items())): sample.value for one in metrics for sample in one.samples}


def test_metrics_of_workers_are_merged_by_their_meaning():
    merged = values(merge({"0": families(3, 1, 0.5), "1": families(4, 2, 0.25)}))
    late = ("model", "late")
    assert merged["headrace_requests_total", late] == 7
    assert merged["headrace_queue_rows", late] == 3
    assert merged["headrace_version_info", late] == 1
    assert merged["headrace_request_seconds_bucket", ("le", "+Inf"), late] == 7
    assert merged["headrace_request_seconds_sum", late] == 0.75
    for worker in ("0", "1"):
        assert merged["process_resident_memory_bytes", ("worker", worker)] == 5
        assert merged["process_cpu_seconds_total", ("worker", worker)] == 7


def test_sums_do_not_fall_when_a_worker_ends():
    """A scraper would take a fall for a restart, and count everything again."""
    left = add_up([sums(families(3, 1, 0.5)), sums(families(10, 9, 1.0))])
    merged = values(merge({"1": families(4, 2, 0.25)}, left))
    assert merged["headrace_requests_total", ("model", "late")] == 17
    assert merged["headrace_queue_rows", ("model", "late")] == 2
    assert ("process_cpu_seconds_total", ("worker", "")) not in merged


def statistics(count, last, batches):
    message = pb.ModelStatistics(name="late", version="1", last_inference=last, inference_count=count)
    message.inference_stats.success.count, message.inference_stats.success.ns = count, count * 10
    for size in batches:
        message.batch_stats.add(batch_size=size).compute_infer.count = 1
    return pb.ModelStatisticsResponse(model_stats=[message]).SerializeToString()


def test_statistics_of_workers_are_added_up():
    merged = pb.ModelStatisticsResponse.FromString(
        merge_statistics([statistics(2, 5, [1, 8]), statistics(3, 4, [2, 8])])
    )
    (found,) = merged.model_stats
    assert (found.inference_count, found.last_inference) == (5, 5)
    assert (found.inference_stats.success.count, found.inference_stats.success.ns) == (5, 50)
    assert {batch.batch_size: batch.compute_infer.count for batch in found.batch_stats} == {1: 1, 2: 1, 8: 2}


def test_a_shared_port_is_held_without_listening():
    port = SharedPort("127.0.0.1", 0)
    try:
        with socket.socket() as stranger:
            stranger.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with pytest.raises(OSError, match="in use"):
                stranger.bind(("127.0.0.1", port.number))
        with socket.socket() as client, pytest.raises(ConnectionRefusedError):
            client.connect(("127.0.0.1", port.number))
        with socket.socket() as worker:
            worker.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            worker.bind(("127.0.0.1", port.number))
            worker.listen()
    finally:
        port.close()


@pytest.mark.parametrize("workers", [0, -1, 257])
def test_a_number_of_workers_out_of_range_is_refused(workers):
    with pytest.raises(InvalidInputError, match=f"workers is {workers}; allowed: 1 to 256"):
        ServingConfig(models=("late",), database=Path("a"), store=Path("b"), workers=workers)
