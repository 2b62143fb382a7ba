"""The mirror without a server: names that fit, addresses, patience, one sender at a time."""

import os
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.core.clock import ManualClock
from headrace.core.config import load_settings
from headrace.core.errors import InvalidInputError, UnavailableError
from headrace.pipeline.mirror import MirrorJob, MlflowServer, mirror, start_mirror
from headrace.pipeline.mirror.client import MlflowClient
from headrace.pipeline.mirror.entities import entities
from headrace.pipeline.mirror.names import MAX_KEY_CHARS, key, keys
from headrace.pipeline.mirror.outbox import LEASE, Outbox
from headrace.pipeline.workspace import Workspace
from headrace.training.runs import RunKind, RunQuery, RunStart
from headrace.training.runs.process import ProcessName


def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.mark.parametrize(
    ("name", "fitting"),
    [
        ("valid.auc", "valid.auc"), ("ndcg@5", "ndcg_5"), ("a/b", "a/b"), ("a//b", "_a__b"), ("/a", "_a"), ("..", "_"),
        ("x[1]", "x_1_"), ("délai", "d_lai"), ("a:b", "a_b"),
    ],
)  # fmt: skip
def test_a_name_is_changed_to_what_mlflow_takes(name, fitting):
    assert key(name) == fitting


@given(st.lists(st.text(min_size=1, max_size=400), unique=True, max_size=8))
def test_names_that_differ_keep_keys_that_differ_and_fit(names):
    found = keys(names)
    assert len(set(found.values())) == len(names)
    assert all(0 < len(one) <= MAX_KEY_CHARS for one in found.values())


@pytest.mark.parametrize(
    ("uri", "url", "authorization"),
    [
        ("http://localhost:5000", "http://localhost:5000", ""),
        ("https://me:pass%40word@host/mlflow/", "https://host/mlflow", "Basic bWU6cGFzc0B3b3Jk"),
        ("http://[::1]:5000", "http://[::1]:5000", ""),
    ],
)
def test_user_and_password_leave_the_address(uri, url, authorization):
    server = MlflowServer.parse(uri)
    assert (server.url, server.authorization) == (url, authorization)
    assert "pass" not in repr(server)


def test_a_token_goes_into_a_header():
    assert MlflowServer.parse("http://host", token="a" + "b").authorization == "Bearer ab"


@pytest.mark.parametrize("uri", ["", "localhost:5000", "ftp://host", "http://", "http://host:port", "file:///tmp"])
def test_what_is_no_address_is_refused(uri):
    with pytest.raises(InvalidInputError):
        MlflowServer.parse(uri)


def test_settings_refuse_an_address_that_is_none(monkeypatch):
    monkeypatch.setenv("HEADRACE_MLFLOW_URI", "sqlite:///mlruns.db")
    with pytest.raises(InvalidInputError, match="HEADRACE_MLFLOW_URI"):
        load_settings()


def test_intervals_curves_and_data_have_names_of_their_own(home):
    run = home.store.get(home.tune(1))
    (trial,) = home.store.runs(RunQuery(parent=run.id), curves=True)
    wanted = entities(trial, "remote")
    assert [one["key"] for one in wanted.metrics] == ["ndcg_5", "valid.auc", "valid.auc.low", "valid.auc.high"]
    assert [point["step"] for point in wanted.curves["curve/valid.auc"]] == list(range(1, 21))
    assert wanted.tags["mlflow.parentRunId"] == "remote"
    assert wanted.parameters["odd_name_"].endswith("\u2026")


def test_a_curve_whose_places_are_no_steps_is_numbered(home):
    with home.store.begin(RunStart(RunKind.PIPELINE)) as run:
        run.curve("roc", [(0.0, 0.0), (0.5, 0.8), (1.0, 1.0)])
    assert [point["step"] for point in entities(home.store.get(run.id), None).curves["curve/roc"]] == [0, 1, 2]


def test_an_absent_server_is_given_up_after_the_jobs_patience_with_growing_pauses(home):
    home.tune(1)
    clock, pauses = ManualClock(), []

    def sleep(seconds):
        pauses.append(seconds)
        clock.advance(seconds)

    server = MlflowServer.parse(f"http://127.0.0.1:{closed_port()}")
    with pytest.raises(UnavailableError, match=r"given up after \d+ s") as told:
        mirror(MirrorJob(home.engine, home.path, server, patience_s=60, clock=clock, sleep=sleep))
    assert "headrace runs mirror" in told.value.hint
    assert 30 < sum(pauses) <= 60
    assert max(pauses) <= 15
    assert pauses[-1] > pauses[0]
    assert len(Outbox(home.engine, server.url, clock=clock).waiting()) == 2


def test_one_process_holds_the_lease_until_it_releases_it_or_dies_or_is_late(home):
    clock = ManualClock()
    first, second = (Outbox(home.engine, "http://server", clock=clock) for _ in range(2))
    other = subprocess.Popen(["sleep", "60"])
    try:
        stat = Path(f"/proc/{other.pid}/stat").read_text().rpartition(")")[2].split()
        own = ProcessName.own()
        _, _, boot, namespace = own.token.split(":", 3)
        first._own = ProcessName(own.host, f"{other.pid}:{stat[19]}:{boot}:{namespace}")
        assert first.claim()
        assert first.claim()
        assert not second.claim()
        clock.advance(LEASE.total_seconds() + 1)
        assert second.claim()
        assert not first.claim()
        second.release()
        assert first.claim()
        assert not second.claim()
    finally:
        other.kill()
        other.wait()
    assert second.claim()


def test_without_a_server_set_nothing_is_started(tmp_path, monkeypatch):
    monkeypatch.delenv("HEADRACE_MLFLOW_URI", raising=False)
    start_mirror(Workspace(tmp_path), load_settings(home=tmp_path))
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def mute():
    """A server that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        held = []

        def hold():
            while True:
                try:
                    held.append(listener.accept()[0])
                except OSError:
                    return

        thread = threading.Thread(target=hold)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)
    thread.join()
    for connection in held:
        connection.close()


def test_a_server_that_never_answers_is_away_after_the_timeout(mute):
    started = time.monotonic()
    with MlflowClient(MlflowServer.parse(mute), timeout_s=0.2) as client, pytest.raises(UnavailableError):
        client.get("runs/get", run_id="x")
    assert time.monotonic() - started < 2


@pytest.mark.slow
@pytest.mark.parametrize("state", ["closed", "mute"])
def test_a_command_does_not_wait_for_a_server_that_is_dead_or_mute(home, mute, state, monkeypatch):
    home.tune(1)
    address = {"closed": f"http://127.0.0.1:{closed_port()}", "mute": mute}[state]
    monkeypatch.setenv("HEADRACE_MLFLOW_URI", address)
    settings, took = load_settings(home=home.path), []
    for _ in range(3):
        started = time.perf_counter()
        start_mirror(Workspace(home.path), settings)
        took.append(time.perf_counter() - started)
    assert sorted(took)[1] < 0.2
    end_sender(home, address)


def end_sender(home, address):
    """Wait until a mirror holds the lease, and end it by its process id."""
    Outbox(home.engine, address, clock=ManualClock())  # makes the tables
    deadline = time.monotonic() + 60
    holders = []
    while not holders and time.monotonic() < deadline:
        time.sleep(0.05)
        with home.engine.connect() as connection:
            holders = connection.exec_driver_sql("SELECT process FROM mirror_leases").scalars().all()
    for holder in holders:
        os.kill(int(holder.split(":")[0]), signal.SIGKILL)
    assert holders
