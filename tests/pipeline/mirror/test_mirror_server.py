"""Against a real MLflow server: everything arrives, once, whoever is killed and whoever is away."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from headrace.core.config import load_settings
from headrace.core.errors import InvalidInputError, UnavailableError
from headrace.pipeline.mirror import Mirrored, MirrorJob, MlflowServer, mirror, start_mirror
from headrace.pipeline.workspace import Workspace
from headrace.training.runs import RunKind, RunQuery, RunStart, RunStatus

pytestmark = pytest.mark.slow
HERE = Path(__file__).parent
MLFLOW = HERE.parents[2] / ".venv-mlflow" / "bin" / "python"


def send(home, server, patience_s=20.0):
    return mirror(MirrorJob(home.engine, home.path, MlflowServer.parse(server.url), patience_s=patience_s))


def tags(run):
    return {one["key"]: one["value"] for one in run["data"].get("tags", [])}


def assert_whole(server, name, store, versions):
    """The server has every run once, with every parameter, metric and point, and every version once."""
    shown = {tags(run)["headrace.run"]: run for run in server.runs(name)}
    assert len(server.runs(name)) == len(shown)
    ours = store.runs(RunQuery(trials=True), curves=True)
    assert set(shown) == {run.id for run in ours}
    for run in ours:
        remote = shown[run.id]
        assert remote["info"]["status"] == run.status.value.upper()
        assert len(remote["data"].get("params", [])) == len(run.parameters)
        keys = {one["key"] for one in remote["data"].get("metrics", [])}
        assert {name.replace("@", "_") for name in run.metrics} <= keys
        for curve, points in run.curves.items():
            there = server.history(remote["info"]["run_id"], f"curve/{curve}")
            assert there == [(int(x), y) for x, y in points]
        parent = tags(remote).get("mlflow.parentRunId")
        assert (parent is None) == (run.start.parent is None)
        if parent is not None:
            assert parent == shown[run.start.parent]["info"]["run_id"]
    assert len(server.versions(name)) == versions


def test_mlflows_own_client_sees_runs_curves_parents_and_versions(mlflow, home, tmp_path):
    home.tune(5, points=1_500)
    home.register(b"one", tmp_path)
    registering = home.register(b"two", tmp_path)
    done = send(home, mlflow)
    assert (done.runs, done.versions, done.refused) == (8, 2, ())
    assert_whole(mlflow, home.name, home.store, 2)
    quiet = {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}
    asked = subprocess.run(
        [MLFLOW, HERE / "mlflow_client.py", mlflow.url, home.name],
        capture_output=True, text=True, check=False, timeout=120, env=os.environ | quiet, cwd=tmp_path,
    )  # fmt: skip
    assert asked.returncode == 0, asked.stderr
    seen = json.loads(asked.stdout)
    assert seen["runs"] == 8
    assert seen["trials"] == [f"trial {number}" for number in (4, 3, 2, 1, 0)]
    assert seen["parameters"]["num_leaves"] == "12"
    assert len(seen["parameters"]["odd_name_"]) == 6_000
    assert seen["metrics"]["valid.auc"] == pytest.approx(0.74)
    assert (seen["metrics"]["valid.auc.low"], seen["metrics"]["valid.auc.high"]) == (0.6, 0.9)
    assert "odd_name_" in seen["tags"]["headrace.mirror.note"]
    assert seen["status"] == "FINISHED"
    best = home.store.get(seen["tags"]["headrace.run"])
    assert seen["start"] == round(best.started_at.timestamp() * 1000)
    assert seen["curve"] == [[tree, 0.5 + tree / 1000] for tree in range(1, 1_501)]
    assert seen["version"] == "2"
    assert seen["version_tags"]["headrace.version"] == "2"
    assert seen["version_run"] == registering


def test_a_second_mirror_sends_what_changed_and_nothing_else(mlflow, home, tmp_path):
    home.register(b"one", tmp_path)
    with home.store.begin(RunStart(RunKind.TUNING, home.name, home.name)) as study:
        study.parameters({"trials": 2})
        study.metric("best", 0.7)
        study.curve("best", [(1, 0.7)])
        study.flush()
        assert send(home, mlflow).runs == 2
        shown = next(run for run in mlflow.runs(home.name) if tags(run)["headrace.run"] == study.id)
        assert shown["info"]["status"] == "RUNNING"
        assert send(home, mlflow) == Mirrored(0, 0)
        study.parameters({"trials": 3, "late": 1})
        study.metric("best", 0.8)
        study.curve("best", [(1, 0.7), (2, 0.8)])
    assert send(home, mlflow).runs == 1
    shown = next(run for run in mlflow.runs(home.name) if tags(run)["headrace.run"] == study.id)
    assert shown["info"]["status"] == "FINISHED"
    assert {one["key"]: one["value"] for one in shown["data"]["params"]} == {"trials": "2", "late": "1"}
    assert "changed since they were sent: trials" in tags(shown)["headrace.mirror.note"]
    assert mlflow.history(shown["info"]["run_id"], "curve/best") == [(1, 0.7), (2, 0.8)]
    assert [value for _, value in mlflow.history(shown["info"]["run_id"], "best")] == [0.7, 0.8]
    home.register(b"two", tmp_path)
    home.move("challenger", 1)
    assert send(home, mlflow).versions == 1
    assert mlflow.aliases(home.name) == {"champion": "2", "challenger": "1"}
    home.move("challenger", None)
    send(home, mlflow)
    assert mlflow.aliases(home.name) == {"champion": "2"}


def test_a_run_whose_process_died_is_killed_on_the_server_too(mlflow, home):
    code = (
        "import os, signal, sys; from pathlib import Path; from headrace.core.database import open_database;"
        "from headrace.training.runs import *; store = RunStore(open_database(Path(sys.argv[1])));"
        "run = store.begin(RunStart(RunKind.PIPELINE, sys.argv[2])); os.kill(os.getpid(), signal.SIGKILL)"
    )
    subprocess.run([sys.executable, "-c", code, home.path / "registry.db", home.name], check=False, timeout=60)
    send(home, mlflow)
    (shown,) = mlflow.runs(home.name)
    assert shown["info"]["status"] == "KILLED"
    assert "end_time" in shown["info"]


def test_a_mirror_killed_at_any_step_is_finished_by_the_next_and_nothing_is_there_twice(mlflow, tmp_path):
    from importlib.util import module_from_spec, spec_from_file_location

    spec = spec_from_file_location("mirror_fixtures", HERE / "conftest.py")
    fixtures = module_from_spec(spec)
    spec.loader.exec_module(fixtures)
    steps = range(1, 62, 3)
    for step in steps:
        made = fixtures.Home(tmp_path / "homes" / str(step), f"killed-at-{step}")
        made.tune(2, points=5)
        made.register(b"one", tmp_path / f"packages-{step}")
        made.engine.dispose()
    killer = subprocess.run(
        [sys.executable, HERE / "mirror_killer.py", tmp_path / "homes", mlflow.url, "1", "62", "3"],
        capture_output=True, text=True, check=False, timeout=400,
    )  # fmt: skip
    assert killer.returncode == 0, killer.stderr
    died = killer.stdout.split()
    assert len(died) >= 15
    for step in steps:
        made = fixtures.Home(tmp_path / "homes" / str(step), f"killed-at-{step}")
        send(made, mlflow)
        assert_whole(mlflow, made.name, made.store, 1)
        assert mlflow.aliases(made.name) == {"champion": "1"}
        made.engine.dispose()


def test_a_mirror_killed_at_random_moments_and_started_again_sends_all(mlflow, home):
    home.tune(40, points=200)
    for delay_s in (0.3, 0.5, 0.8, 1.1):
        process = start_process(home, mlflow)
        while process.poll() is None and not noted(home):
            time.sleep(0.01)
        time.sleep(delay_s)
        process.send_signal(signal.SIGKILL)
        process.wait()
    process = start_process(home, mlflow)
    assert process.wait(120) == 0
    assert_whole(mlflow, home.name, home.store, 0)


def test_two_mirrors_at_once_send_everything_once(mlflow, home):
    home.tune(30)
    processes = [start_process(home, mlflow) for _ in range(3)]
    assert [process.wait(120) for process in processes] == [0, 0, 0]
    assert_whole(mlflow, home.name, home.store, 0)


def test_records_in_postgresql_are_mirrored_by_two_processes_once(mlflow, shared_home, postgres_database, tmp_path):
    shared_home.tune(8)
    shared_home.register(b"one", tmp_path)
    (tmp_path / "home").mkdir(exist_ok=True)
    processes = [start_process(shared_home, mlflow, HEADRACE_REGISTRY=postgres_database) for _ in range(2)]
    assert [process.wait(120) for process in processes] == [0, 0]
    assert_whole(mlflow, shared_home.name, shared_home.store, 1)
    assert mlflow.aliases(shared_home.name) == {"champion": "1"}


def test_a_command_starts_the_mirror_and_does_not_wait_for_it(mlflow, home, monkeypatch):
    home.tune(3)
    monkeypatch.setenv("HEADRACE_MLFLOW_URI", mlflow.url)
    started = time.perf_counter()
    start_mirror(Workspace(home.path), load_settings(home=home.path))
    assert time.perf_counter() - started < 0.5
    deadline = time.monotonic() + 60
    while "mirror_ended" not in log_of(home) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert_whole(mlflow, home.name, home.store, 0)


def test_the_mirror_of_a_command_reads_the_registry_that_the_command_was_given(mlflow, home, tmp_path, monkeypatch):
    home.tune(2)
    monkeypatch.setenv("HEADRACE_MLFLOW_URI", mlflow.url)
    monkeypatch.delenv("HEADRACE_REGISTRY", raising=False)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    start_mirror(Workspace(elsewhere, registry=str(home.path / "registry.db")), load_settings(home=elsewhere))
    log, deadline = elsewhere / "mirror.log", time.monotonic() + 60
    while not (log.exists() and "mirror_ended" in log.read_text()) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert_whole(mlflow, home.name, home.store, 0)


def test_a_server_that_was_down_gets_everything_once_it_is_up(mlflow, home):
    home.tune(3)
    mlflow.stop()
    with pytest.raises(UnavailableError, match="given up after"):
        send(home, mlflow, patience_s=1.0)
    home.tune(2)
    process = start_process(home, mlflow)  # waits with patience
    mlflow.start()
    assert process.wait(120) == 0
    assert_whole(mlflow, home.name, home.store, 0)


def test_what_is_no_mlflow_server_is_told_and_nothing_is_noted_as_refused(mlflow, home):
    home.tune(1)
    with pytest.raises(InvalidInputError, match="answered 404") as told:
        mirror(MirrorJob(home.engine, home.path, MlflowServer.parse(f"{mlflow.url}/nowhere"), patience_s=5))
    assert "MLflow server" in told.value.hint
    assert send(home, mlflow).runs == 2


def test_a_run_deleted_on_the_server_stays_deleted_and_holds_up_no_other(mlflow, home):
    with home.store.begin(RunStart(RunKind.PIPELINE, home.name)) as run:
        send(home, mlflow)
        (shown,) = mlflow.runs(home.name)
        mlflow.ask("runs/delete", {"run_id": shown["info"]["run_id"]})
        run.metric("auc", 0.7)
    home.tune(1)
    done = send(home, mlflow)
    assert done.runs == 2
    assert len(done.refused) == 1
    assert run.id[:8] in done.refused[0]
    assert send(home, mlflow).refused == ()
    assert home.store.get(run.id).status is RunStatus.FINISHED


def start_process(home, server, **environment):
    with (home.path / "mirror.log").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "headrace.pipeline.mirror", str(home.path)],
            env=os.environ | {"HEADRACE_MLFLOW_URI": server.url} | environment, stdout=log, stderr=log,
        )  # fmt: skip


def noted(home) -> bool:
    with home.engine.connect() as connection:
        tables = connection.exec_driver_sql("SELECT name FROM sqlite_master WHERE name = 'mirror_runs'").all()
        return bool(tables) and bool(connection.exec_driver_sql("SELECT 1 FROM mirror_runs LIMIT 1").all())


def log_of(home) -> str:
    path = home.path / "mirror.log"
    return path.read_text() if path.is_file() else ""
