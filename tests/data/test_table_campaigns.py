"""The measured campaigns in small: writers that are killed, and writers that run at once."""

import json
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow
BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


def run(script, *arguments):
    done = subprocess.run(
        [sys.executable, BENCHMARKS / script, *arguments], capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


def test_killed_writers_lose_and_double_nothing_that_was_acknowledged():
    found = run("kill_tables.py", "--kills", "8", "--seed", "5")
    assert found["kills"] >= 8
    assert found["problems"] == []
    assert set(found["killed"]) == {"append", "ingest", "upsert", "compact"}


def test_every_commit_of_writers_that_run_at_once_lands():
    found = run("race_tables.py", "--writers", "4", "--commits", "10", "--foreign")
    assert (found["landed"], found["rows_right"]) == (40, True)
    assert found["foreign_commits"] > 0, "a writer that knows no lock took part"


def test_a_commit_that_is_lost_to_a_writer_without_a_lock_is_planned_anew(tmp_path, monkeypatch):
    """The other writer's commit lands exactly between the look at the log and ours."""
    import pyarrow as pa

    from headrace.data import TableStore, commits

    store, other = TableStore(tmp_path), TableStore(tmp_path)
    store.write("t", pa.table({"x": [0]}), transaction="0")
    attempt, lost = commits._attempt, []

    def after_another(path, log, plan, made):
        if len(lost) < 3 and "mine" in plan.facts.transaction:
            lost.append(log.entries)
            monkeypatch.setattr(commits, "writer_lock", nullcontext)
            with other.writing("t", "append", transaction=f"other-{len(lost)}") as writer:
                writer.write(pa.table({"x": [len(lost)]}))
                writer.commit()
        return attempt(path, log, plan, made)

    monkeypatch.setattr(commits, "_attempt", after_another)
    with store.writing("t", "append", transaction="mine") as writer:
        writer.write(pa.table({"x": [9]}))
        version = writer.commit()
    assert lost == [1, 2, 3]
    assert version.version == 4
    assert store.read("t").column("x").to_pylist() == [0, 1, 2, 3, 9]


def test_a_commit_of_another_program_that_wins_is_not_built_upon(tmp_path, monkeypatch):
    import pyarrow as pa
    from deltalake import write_deltalake

    from headrace.core.errors import CorruptedError
    from headrace.data import TableStore, commits

    store = TableStore(tmp_path)
    store.write("t", pa.table({"x": [0]}), transaction="0")
    attempt = commits._attempt

    def after_another(path, log, plan, made):
        if log.entries == 1:
            write_deltalake(path, pa.table({"x": [1]}), mode="append")
        return attempt(path, log, plan, made)

    monkeypatch.setattr(commits, "_attempt", after_another)
    with store.writing("t", "append", transaction="1") as writer:
        writer.write(pa.table({"x": [2]}))
        with pytest.raises(CorruptedError, match=r"version 1 of .* was not written by Headrace"):
            writer.commit()
