"""Alerts: fired once, latched until they recover, kept for ever in an append-only file of JSON lines."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from enum import Enum
from pathlib import Path
from typing import Any

from headrace.core.errors import CorruptedError
from headrace.core.hashing import canonical_json


class AlertState(Enum):
    """What a line of the log says."""

    FIRING = "firing"
    RECOVERED = "recovered"


class Severity(Enum):
    """Who has to look, and when."""

    PAGE = "page"  # now
    TICKET = "ticket"  # in working hours


@dataclass(frozen=True)
class Alert:
    """One line of the alert log.

    Attributes:
        key: what latches: one condition of one model, as `late/drift`. It fires again only after it recovered.
        summary: one sentence with the value and what is allowed.
        owner: who is asked.
        runbook: the first thing to do, or where it is written.
        at: aware, UTC.
        details: JSON data for whoever looks closer.
    """

    key: str
    summary: str
    at: datetime
    severity: Severity = Severity.TICKET
    owner: str = "model owner"
    runbook: str = "docs/operations/monitoring.md"
    state: AlertState = AlertState.FIRING
    details: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """JSON data that `from_json` reads back."""
        return {
            **asdict(self),
            "at": self.at.astimezone(UTC).isoformat(),
            "severity": self.severity.value,
            "state": self.state.value,
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Alert:
        """Inverse of `to_json`."""
        return cls(
            **{
                **data,
                "at": datetime.fromisoformat(data["at"]),
                "severity": Severity(data["severity"]),
                "state": AlertState(data["state"]),
            }
        )


class AlertLog:
    """The alert log of a workspace.

    Invariants: lines are only ever added; a key that fires is not fired again before it recovered, whichever process
    asks; a line cut short by a power loss is dropped by the next writer and skipped by readers.

    Args:
        path: the file; created by the first alert.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def fire(self, alert: Alert) -> bool:
        """Write an alert unless its key fires already; say whether it is new."""
        with self._exclusive() as handle:
            if alert.key in _active(_parse(self._path)):
                return False
            _append(handle, replace(alert, state=AlertState.FIRING))
        return True

    def recover(self, key: str, *, at: datetime, summary: str) -> bool:
        """Write the recovery of a key that fires; say whether it did."""
        with self._exclusive() as handle:
            fired = _active(_parse(self._path)).get(key)
            if fired is None:
                return False
            _append(handle, replace(fired, at=at, summary=summary, state=AlertState.RECOVERED, details={}))
        return True

    def active(self) -> tuple[Alert, ...]:
        """Alerts that fire now, the oldest first."""
        return tuple(_active(_parse(self._path)).values())

    def history(self) -> tuple[Alert, ...]:
        """Every line, the oldest first.

        Raises:
            CorruptedError: a whole line is no alert.
        """
        return tuple(_parse(self._path))

    @contextmanager
    def _exclusive(self) -> Iterator[int]:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)  # released by the close, also when the process is killed
            content = self._path.read_bytes()
            whole = content.rfind(b"\n") + 1
            if whole != len(content):
                os.ftruncate(handle, whole)
            yield handle
        finally:
            os.close(handle)


def _append(handle: int, alert: Alert) -> None:
    os.write(handle, canonical_json(alert.to_json()) + b"\n")
    os.fsync(handle)


def _parse(path: Path) -> list[Alert]:
    if not path.exists():
        return []
    whole, _, _cut_short = path.read_bytes().rpartition(b"\n")
    alerts = []
    for number, line in enumerate(whole.splitlines(), start=1):
        try:
            alerts.append(Alert.from_json(json.loads(line)))
        except (ValueError, KeyError, TypeError) as error:
            raise CorruptedError(f"{path}:{number} is not an alert: {error}") from error
    return alerts


def _active(alerts: list[Alert]) -> dict[str, Alert]:
    active: dict[str, Alert] = {}
    for alert in alerts:
        if alert.state is AlertState.FIRING:
            active[alert.key] = alert
        else:
            active.pop(alert.key, None)
    return active
