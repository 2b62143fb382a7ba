"""What Prometheus reads from the second port."""

import urllib.request

import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families

from headrace.core.errors import InvalidInputError, NotFoundError

ROWS = np.ones((3, 4), np.float32)


def scrape(server) -> dict[tuple[str, frozenset], float]:
    with urllib.request.urlopen(f"http://{server._metrics.address}/metrics", timeout=5) as page:
        text = page.read().decode()
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def value(metrics, name, **labels):
    return metrics[name, frozenset(labels.items())]


def test_requests_rows_batches_and_phases_are_counted(start, tmp_path):
    server, client = start(prediction_log=tmp_path / "predictions")
    for _ in range(4):
        client.infer("late", ROWS)
    with pytest.raises(InvalidInputError):
        client.infer("late", np.ones((1, 9), np.float32))
    for _ in range(2):
        with pytest.raises(NotFoundError):
            client.infer("nobody", ROWS)
    metrics = scrape(server)
    late = {"model": "late", "version": "1"}
    assert value(metrics, "headrace_ready") == 1
    assert value(metrics, "headrace_requests_total", **late, status="OK") == 4
    assert value(metrics, "headrace_requests_total", **late, status="INVALID_ARGUMENT") == 1
    assert value(metrics, "headrace_requests_total", model="", version="", status="NOT_FOUND") == 2
    assert value(metrics, "headrace_rows_total", **late) == 12
    assert value(metrics, "headrace_batch_rows_count", **late) == 4
    assert value(metrics, "headrace_batch_rows_bucket", **late, le="2.0") == 0
    assert value(metrics, "headrace_batch_rows_bucket", **late, le="4.0") == 4
    assert value(metrics, "headrace_request_seconds_count", **late) == 4
    for phase in ("queue", "assemble", "infer", "split"):
        assert value(metrics, "headrace_phase_seconds_count", **late, phase=phase) == 4
    assert value(metrics, "headrace_model_loads_total", **late, outcome="ok") == 1
    assert value(metrics, "headrace_queue_rows", **late) == 0
    assert value(metrics, "headrace_prediction_log_rows_total", outcome="lost") == 0


def test_roles_and_devices_of_versions_are_shown(world, start):
    world.releases.start("late", 2, share=0.5, reason="try")
    server, _ = start()
    versions = [dict(labels) for name, labels in scrape(server) if name == "headrace_version_info"]
    assert {(entry["version"], entry["role"]) for entry in versions} == {("1", "champion"), ("2", "candidate")}


def test_a_fallback_to_the_cpu_is_counted_with_its_reason(world, start, monkeypatch):
    from headrace.serving.runtime import placement as runtime

    monkeypatch.setattr(runtime, "_cuda_driver_loads", lambda: False)
    server, _ = start()
    fallbacks = {
        dict(labels)["reason"]: count for (name, labels), count in scrape(server).items() if "fallbacks_total" in name
    }
    assert fallbacks == {"no CUDA driver: libcuda.so.1 not found": 1.0}


def test_a_drained_server_says_it_is_not_ready(start):
    server, _ = start()
    server._application.set_ready(ready=False)
    assert value(scrape(server), "headrace_ready") == 0


def test_requests_that_the_model_did_not_answer_are_counted_by_reason(start):
    server, client = start()
    client.infer("late", ROWS)
    version = server._manager.fleet.deployments["late"].champion
    version.statistics.request_dropped("over_target")
    version.statistics.cache_looked_up(0.001, hit=True)
    metrics = scrape(server)
    late = {"model": "late", "version": "1"}
    assert value(metrics, "headrace_dropped_requests_total", **late, reason="over_target") == 1
    assert value(metrics, "headrace_cache_lookups_total", **late, outcome="hit") == 1
    assert value(metrics, "headrace_cache_lookups_total", **late, outcome="miss") == 0
