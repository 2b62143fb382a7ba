"""However many processes record at once, whenever one is killed: runs are whole, nothing acknowledged is lost."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from headrace.core.database import open_database
from headrace.training.runs import RunKind, RunQuery, RunStatus, RunStore

WRITER = Path(__file__).with_name("run_writer.py")


def start(database: Path, runs: int) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, WRITER, str(database), str(runs)], stdout=subprocess.PIPE, text=True)


def assert_told(store: RunStore, lines: list[str]) -> None:
    for line in lines:
        run, number = line.split()
        found = store.get(run)
        assert found.parameters == {"num_leaves": int(number), "nested.rate": int(number) / 10}
        assert found.metrics["valid.auc"].value == 0.5 + int(number) / 1000
        assert len(found.curves["valid.auc"]) == 50


@pytest.mark.slow
def test_eight_processes_write_at_once(tmp_path):
    database = tmp_path / "registry.db"
    writers = [start(database, 12) for _ in range(8)]
    said = [writer.communicate(timeout=240)[0].splitlines() for writer in writers]
    assert [writer.returncode for writer in writers] == [0] * 8
    store = RunStore(open_database(database))
    assert len(store.runs(RunQuery(kind=RunKind.TUNING))) == 8
    trials = store.runs(RunQuery(kind=RunKind.TRIAL))
    assert len(trials) == 96
    assert {trial.status for trial in trials} == {RunStatus.FINISHED}
    assert_told(store, [line for lines in said for line in lines])
    store.engine.dispose()


@pytest.mark.slow
def test_a_killed_process_leaves_killed_runs_and_everything_it_was_told_is_safe(tmp_path):
    database = tmp_path / "registry.db"
    for delay_ms in (0, 30, 80, 150):
        writer, other = start(database, 10_000), start(database, 10_000)
        lines = [writer.stdout.readline()]
        time.sleep(delay_ms / 1000)
        writer.send_signal(signal.SIGKILL)
        lines += [line for line in writer.communicate(timeout=60)[0].splitlines(keepends=True) if line.endswith("\n")]
        store = RunStore(open_database(database))
        assert_told(store, lines)
        running = store.runs(RunQuery(status=RunStatus.RUNNING, trials=True))
        assert {run.start.kind for run in running} <= {RunKind.TUNING, RunKind.TRIAL}
        other.send_signal(signal.SIGKILL)
        other.communicate(timeout=60)
        assert store.runs(RunQuery(status=RunStatus.RUNNING, trials=True)) == ()
        killed = store.runs(RunQuery(status=RunStatus.KILLED))
        assert killed
        assert all(run.ended_at is not None and run.failure for run in killed)
        store.engine.dispose()
