"""Alerts: latched, append-only, whole whatever happens to the writer."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest

from headrace.core.errors import CorruptedError
from headrace.monitoring import Alert, AlertLog, AlertState, Severity

AT = datetime(2013, 11, 1, tzinfo=UTC)
DRIFT = Alert("late/drift", "temp drifted", AT, Severity.PAGE, owner="flights team", details={"feature": "temp"})


@pytest.fixture
def log(tmp_path):
    return AlertLog(tmp_path / "alerts" / "alerts.jsonl")


def test_an_alert_fires_once_until_it_recovers(log):
    assert log.fire(DRIFT)
    assert not log.fire(DRIFT)
    assert log.active() == (DRIFT,)
    assert log.recover("late/drift", at=AT + timedelta(days=7), summary="temp is as it was")
    assert not log.recover("late/drift", at=AT, summary="again")
    assert log.active() == ()
    assert log.fire(DRIFT)
    assert [alert.state for alert in log.history()] == [AlertState.FIRING, AlertState.RECOVERED, AlertState.FIRING]
    recovery = log.history()[1]
    assert (recovery.owner, recovery.severity, recovery.summary) == ("flights team", Severity.PAGE, "temp is as it was")


def test_keys_latch_apart(log):
    other = Alert("late/quality", "AUC fell", AT)
    assert log.fire(DRIFT)
    assert log.fire(other)
    assert log.active() == (DRIFT, other)


def test_a_log_that_was_never_written_is_empty(log):
    assert log.history() == log.active() == ()
    assert not log.recover("late/drift", at=AT, summary="")


def test_a_line_cut_short_is_skipped_by_readers_and_dropped_by_the_next_writer(log, tmp_path):
    log.fire(DRIFT)
    path = tmp_path / "alerts" / "alerts.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"key": "late/qua')
    assert log.active() == (DRIFT,)
    assert log.fire(Alert("late/quality", "AUC fell", AT))
    assert path.read_bytes().startswith(whole + b'{"at"')
    assert len(log.history()) == 2


def test_a_whole_line_that_is_no_alert_is_named(log, tmp_path):
    log.fire(DRIFT)
    with (tmp_path / "alerts" / "alerts.jsonl").open("a") as file:
        file.write("{}\n")
    with pytest.raises(CorruptedError, match=r"alerts\.jsonl:2 is not an alert"):
        log.history()


WRITER = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from headrace.monitoring import Alert, AlertLog
log = AlertLog(Path(sys.argv[1]))
print(sum(log.fire(Alert(f"key-{n}", "x" * 300, datetime.now(UTC))) for n in range(60)))
"""


@pytest.mark.slow
def test_of_several_processes_one_fires_each_alert(tmp_path):
    path = tmp_path / "alerts.jsonl"
    processes = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True) for _ in range(3)
    ]
    fired = [int(process.communicate(timeout=60)[0]) for process in processes]
    assert sum(fired) == 60
    assert sorted(alert.key for alert in AlertLog(path).history()) == sorted(f"key-{n}" for n in range(60))
