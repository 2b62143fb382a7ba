"""The ledger: append-only for every client, gapless under concurrent writers, whole after a kill."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta, timezone

import pytest

from headrace.core.database import open_database
from headrace.core.errors import InvalidInputError
from headrace.rollout import EventKind, Ledger, ReleaseEvent, ReleaseStatus, Strategy

AT = datetime(2013, 11, 1, 12, 30, 0, 250, tzinfo=UTC)
ADOPT = ReleaseEvent("late", EventKind.ADOPT, AT, "tests", "first", version=1)


@pytest.fixture
def ledger(database):
    return Ledger(database)


def append(ledger, event):
    with ledger.transaction() as transaction:
        return ledger.append(transaction, event)


def test_events_come_back_as_they_were_written(ledger):
    start = ReleaseEvent(
        "late",
        EventKind.START,
        AT.astimezone(timezone(timedelta(hours=-5))),
        "tests",
        "ünï",
        version=2,
        share=0.0501,
        strategy=Strategy.CANARY,
        salt="late:2:1",
    )
    append(ledger, ADOPT)
    append(ledger, start)
    first, second = ledger.events("late")
    assert (first.sequence, second.sequence) == (1, 2)
    assert second.share == 0.0501
    assert second.at == AT
    assert (second.reason, second.strategy, second.salt) == ("ünï", Strategy.CANARY, "late:2:1")
    assert ledger.state("late").candidate == 2


def test_models_share_one_order_and_no_state(ledger):
    append(ledger, ADOPT)
    append(ledger, ReleaseEvent("fraud", EventKind.ADOPT, AT, "tests", "", version=7))
    assert [event.model for event in ledger.events()] == ["late", "fraud"]
    assert ledger.state("late").champion == 1
    assert ledger.state("fraud").champion == 7
    assert ledger.state("nobody").status is ReleaseStatus.UNRELEASED
    assert ledger.sequence() == 2
    assert [event.sequence for event in ledger.events(after=1)] == [2]


def test_an_illegal_event_leaves_no_trace(ledger):
    append(ledger, ADOPT)
    with pytest.raises(InvalidInputError, match="'promote' is not possible"):
        append(ledger, ReleaseEvent("late", EventKind.PROMOTE, AT, "tests", ""))
    assert ledger.sequence() == 1


def test_nothing_of_a_transaction_that_fails_is_kept(ledger):
    def fail():
        with ledger.transaction() as transaction:
            ledger.append(transaction, ADOPT)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert ledger.sequence() == 0


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE release_events SET reason = 'forged'",
        "UPDATE OR REPLACE release_events SET sequence = 1 WHERE sequence = 2",
        "DELETE FROM release_events",
        "DELETE FROM release_events WHERE sequence = 1",
        (
            "INSERT OR REPLACE INTO release_events (sequence, model, kind, at, actor, reason, version) "
            "VALUES (1, 'late', 'adopt', '2013-11-01T00:00:00+00:00', 'x', 'forged', 9)"
        ),
        (
            "REPLACE INTO release_events SELECT sequence, model, kind, at, actor, 'forged', version, share_buckets, "
            "strategy, salt FROM release_events"
        ),
    ],
)
def test_history_cannot_be_changed_by_any_client_of_the_file(ledger, tmp_path, statement):
    append(ledger, ADOPT)
    append(ledger, ReleaseEvent("late", EventKind.ADOPT, AT, "tests", "", version=3))
    before = ledger.events()
    client = sqlite3.connect(tmp_path / "registry.db")
    with pytest.raises(sqlite3.IntegrityError, match="append-only"):
        client.execute(statement)
    client.close()
    assert ledger.events() == before


def test_a_reader_does_not_wait_for_a_writer(database, ledger):
    append(ledger, ADOPT)
    with ledger.transaction() as transaction:
        ledger.append(transaction, ReleaseEvent("late", EventKind.ADOPT, AT, "tests", "", version=2))
        began = time.monotonic()
        assert Ledger.state(ledger, "late").champion == 1
        assert time.monotonic() - began < 1.0
    assert ledger.state("late").champion == 2


WRITER = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from headrace.core.database import open_database
from headrace.rollout import EventKind, Ledger, ReleaseEvent
ledger = Ledger(open_database(Path(sys.argv[1])))
print("ready", flush=True)
sys.stdin.readline()
for number in range(int(sys.argv[2])):
    with ledger.transaction() as transaction:
        event = ReleaseEvent("late", EventKind.ADOPT, datetime.now(UTC), sys.argv[3], "", version=number + 1)
        print(ledger.append(transaction, event).sequence, end=" ", file=sys.stderr)
    print(number, flush=True)
"""


def writer(path, events, actor):
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path), str(events), actor],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )


@pytest.mark.slow
def test_concurrent_processes_write_one_gapless_history(tmp_path):
    path = tmp_path / "registry.db"
    processes = [writer(path, 40, f"writer-{n}") for n in range(3)]
    try:
        for process in processes:
            assert process.stdout.readline() == "ready\n"
        for process in processes:
            process.stdin.write("go\n")
            process.stdin.flush()
        for process in processes:
            process.communicate(timeout=60)
            assert process.returncode == 0
    finally:
        for process in processes:
            process.kill()
            process.wait()
    events = Ledger(open_database(path)).events()
    assert [event.sequence for event in events] == list(range(1, 121))
    for n in range(3):
        assert [event.version for event in events if event.actor == f"writer-{n}"] == list(range(1, 41))


@pytest.mark.slow
def test_a_killed_writer_leaves_every_acknowledged_event_and_nothing_half_written(tmp_path):
    path = tmp_path / "registry.db"
    acknowledged = 0
    for attempt in range(5):
        process = writer(path, 100_000, f"attempt-{attempt}")
        try:
            assert process.stdout.readline() == "ready\n"
            process.stdin.write("go\n")
            process.stdin.flush()
            for _ in range(3 + 7 * attempt):
                process.stdout.readline()
            time.sleep(0.003 * attempt)
            os.kill(process.pid, signal.SIGKILL)
            acknowledged += 3 + 7 * attempt + len(process.stdout.readlines())
        finally:
            process.kill()
            process.wait()
            process.stdin.close()
            process.stdout.close()
        ledger = Ledger(open_database(path))
        events = ledger.events()
        assert [event.sequence for event in events] == list(range(1, len(events) + 1))
        assert acknowledged <= len(events) <= acknowledged + attempt + 1  # committed, but killed before it could say so
        assert ledger.state("late").champion == events[-1].version
