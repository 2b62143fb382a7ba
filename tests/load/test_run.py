"""Runs against a server process whose behaviour is known, on the native generator and on the portable one."""

import signal
import subprocess
import threading
import time

import numpy as np
import pytest

from headrace.core.errors import HeadraceError, NotFoundError, UnavailableError
from headrace.load import Content, Endpoint, LoadPlan, prepare, run_load, steady

pytestmark = pytest.mark.slow


def plan_for(address: str, model: str = "sum", **changes) -> LoadPlan:
    content = Content(model, **changes.pop("content", {}))
    settings = {"warmup_s": 0.1, "duration_s": 0.6, "connections": 2, "in_flight": 8, "drain_s": 2.0}
    rate, endpoint = changes.pop("rate", None), changes.pop("endpoint", Endpoint(address))
    settings |= changes
    if rate is not None:
        settings["stages"] = steady(rate, warmup_s=settings["warmup_s"], duration_s=settings["duration_s"])
    return LoadPlan(endpoint, content, **settings)


@pytest.fixture
def right_answers(tmp_path):
    """Rows and the answers that the sample server gives to them."""
    rows = np.random.default_rng(1).normal(size=(500, 4)).astype(np.float32)
    rows[::7, 2] = np.nan
    np.save(tmp_path / "rows.npy", rows)
    np.save(tmp_path / "sums.npy", np.nansum(rows, axis=1, dtype=np.float32))
    return {"data": tmp_path / "rows.npy", "expected": tmp_path / "sums.npy"}


def test_a_closed_loop_keeps_its_number_in_flight_and_checks_every_answer(address, portable, right_answers):
    plan = plan_for(address, content={"rows": 3, **right_answers})
    result = run_load(plan, portable=portable)
    assert result.errors == 0
    assert result.ok.answers > 50
    assert result.rate == pytest.approx(result.ok.answers / 0.6, rel=0.2)
    check = result.observed.check
    assert check.checked >= result.ok.answers
    assert (check.mismatches, check.first_mismatch) == (0, -1)
    assert np.median([point.in_flight for point in result.series]) == 8
    # Little's law: what is in flight is rate times latency.
    assert result.rate * result.ok.response.mean_ms / 1e3 == pytest.approx(8, rel=0.25)


def test_a_wrong_answer_is_counted_and_told(address, portable, right_answers, tmp_path):
    sums = np.load(right_answers["expected"])
    sums[123] += 0.5
    np.save(tmp_path / "wrong.npy", sums)
    content = {**right_answers, "expected": tmp_path / "wrong.npy"}
    plan = plan_for(address, content=content, requests=1000, duration_s=30.0)
    check = run_load(plan, portable=portable).observed.check
    assert check.checked == 1000
    assert check.mismatches == 2
    assert check.first_mismatch >= 0
    assert check.worst_difference == pytest.approx(0.5, abs=1e-5)


def test_an_open_loop_sends_what_was_asked_for_when_it_was_due(address, portable):
    result = run_load(plan_for(address, rate=400, duration_s=1.5, in_flight=256, samples=10_000), portable=portable)
    assert result.errors == 0
    assert result.ok.answers == 600
    assert result.rate == pytest.approx(400, rel=0.1)
    due = np.sort(result.observed.samples[:, 0])
    assert np.abs(np.diff(due) - 2_500_000).max() <= 1


def test_percentiles_are_those_of_the_single_requests(address, portable):
    result = run_load(plan_for(address, samples=100_000), portable=portable)
    taken = result.observed.samples
    assert len(taken) == result.ok.answers
    for share, found in ((0.5, result.ok.response.p50_ms), (0.99, result.ok.response.p99_ms)):
        exact = np.quantile(taken[:, 1], share, method="inverted_cdf") / 1e6
        assert found == pytest.approx(exact, rel=0.004)
    assert result.ok.response.max_ms == taken[:, 1].max() / 1e6


def test_a_stall_is_charged_for_everybody_it_kept_waiting(address, extension):
    """The server does nothing in a tenth of the time: a tenth of the requests that were due must have felt it."""
    closed = run_load(plan_for(address, "stalling", in_flight=2, duration_s=2.0))
    plan = plan_for(address, "stalling", rate=300, in_flight=2, duration_s=2.0)
    fair = run_load(plan)
    assert closed.ok.response.p95_ms < 30
    assert fair.ok.response.p95_ms > 35
    assert fair.ok.service.p95_ms < 30  # what a generator would say that counts from when it sent
    felt = np.array([fair.observed.outcomes[0].response.quantile_ns(share) for share in (0.89, 0.97)]) / 1e6
    assert felt[1] > 50


def test_errors_are_counted_by_status_with_what_the_server_said(address, portable):
    result = run_load(plan_for(address, "full"), portable=portable)
    assert result.ok.answers == 0
    assert result.errors == result.statuses["RESOURCE_EXHAUSTED"].answers > 20
    status, text, count = result.observed.messages[0]
    assert status == 8
    assert text.endswith("rows; wait 10 %")
    assert count >= 1


def test_messages_that_differ_in_their_numbers_are_one(address, extension):
    result = run_load(plan_for(address, "full"))
    assert len(result.observed.messages) == 1
    assert result.observed.messages[0][2] >= result.errors


def test_a_deadline_goes_with_each_request_and_lateness_is_measured_from_sending(address, extension):
    result = run_load(plan_for(address, "late", timeout_ms=50, in_flight=2, duration_s=1.0))
    late = result.statuses["DEADLINE_EXCEEDED"]
    assert late.answers == result.errors > 5
    assert 50 <= late.service.p50_ms < 100


def test_metadata_goes_with_each_request(address, portable):
    refused = run_load(plan_for(address, "secret"), portable=portable)
    assert refused.statuses["UNAUTHENTICATED"].answers == refused.errors > 0
    endpoint = Endpoint(address, metadata=(("authorization", "Bearer open sesame"),))
    assert run_load(plan_for(address, "secret", endpoint=endpoint), portable=portable).errors == 0


def test_a_number_of_requests_ends_the_run(address, portable):
    result = run_load(plan_for(address, requests=200, duration_s=60, warmup_s=0), portable=portable)
    assert result.ok.answers == 200
    assert result.observed.window_s < 20


def test_threads_share_the_connections_and_the_schedule(address, extension):
    result = run_load(plan_for(address, rate=300, threads=2, connections=3, in_flight=99, samples=1000, duration_s=1))
    assert result.ok.answers == 300
    due = np.sort(result.observed.samples[:, 0])
    assert np.abs(np.diff(due) - 1e9 / 300).max() <= 1


def test_a_server_that_is_not_there_is_named(portable):
    plan = plan_for("127.0.0.1:1", content={"inputs": ("x:FP32:4",)})
    with pytest.raises(UnavailableError, match=r"no server answers at 127\.0\.0\.1:1"):
        run_load(plan, portable=portable)


def test_a_model_that_is_not_there_is_named(address):
    with pytest.raises(NotFoundError, match="no such model"):
        run_load(plan_for(address, "unknown"))


def test_a_server_that_dies_fails_what_was_in_flight_and_the_run_goes_on(sample_server, extension):
    with sample_server() as (address, process):
        plan = plan_for(address, in_flight=4, duration_s=1.0)
        bodies = prepare(plan)
        timer = threading.Timer(0.4, process.send_signal, [signal.SIGKILL])
        timer.start()
        started = time.monotonic()
        result = run_load(plan, bodies=bodies)
        timer.join()
    lost = result.statuses["UNAVAILABLE"]
    assert result.ok.answers > 0
    assert 1 <= lost.answers <= 4
    assert any("connection lost" in text for _, text, _ in result.observed.messages)
    assert result.observed.reconnects > 0
    assert time.monotonic() - started < 10


def test_tls_is_spoken_and_the_certificate_checked(sample_server, portable, tmp_path):
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-subj", "/CN=sample", "-addext", "subjectAltName=DNS:sample", "-keyout", str(key), "-out", str(certificate)],
        check=True, capture_output=True,
    )  # fmt: skip
    with sample_server("--certificate", str(certificate), "--key", str(key)) as (address, _):
        good = Endpoint(address, ca=certificate, server_name="sample")
        assert run_load(plan_for(address, endpoint=good), portable=portable).errors == 0
        for bad in (Endpoint(address, tls=True, server_name="sample"), Endpoint(address, ca=certificate)):
            with pytest.raises(UnavailableError):
                run_load(plan_for(address, endpoint=bad, content={"inputs": ("x:FP32:4",)}), portable=portable)


def test_both_generators_write_the_same_json(address, extension):
    documents = [run_load(plan_for(address), portable=portable).to_json() for portable in (False, True)]
    first, second = (set(document) | set(document["latency"]) | set(document["series"][0]) for document in documents)
    assert first == second


def test_connections_that_are_told_to_go_lose_nothing(sample_server, extension):
    """The server sends everybody away every half second, as one behind a load balancer would."""
    with sample_server("--age-ms", "500") as (address, _):
        result = run_load(plan_for(address, duration_s=2.0, in_flight=32))
    assert result.errors == 0
    assert result.observed.reconnects >= 4


def test_a_run_that_ends_in_its_warm_up_says_that_nothing_was_measured(address, portable):
    result = run_load(plan_for(address, requests=20, warmup_s=30.0), portable=portable)
    assert result.ok.answers == 0
    assert any("nothing was measured" in text for text in result.warnings)


def test_a_server_whose_answer_is_no_message_is_named(address, extension, monkeypatch):
    monkeypatch.setattr("headrace.load.run.call_raw", lambda *_arguments: b"\xff")
    with pytest.raises(HeadraceError, match="does not speak the protocol"):
        prepare(plan_for(address))
    assert prepare(plan_for(address, content={"inputs": ("features:FP32:4",)})).framed
