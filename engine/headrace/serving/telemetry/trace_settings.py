"""Which calls begin a trace: asked for every one of them, changed by TraceSetting while the server runs."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from headrace.core.errors import InvalidInputError, UnavailableError, did_you_mean

TRACE_LEVELS = ("OFF", "TIMESTAMPS")
TRACE_MODE = "opentelemetry"
_MAX_RATE = 2**31 - 1


@dataclass(frozen=True)
class TracePolicy:
    """Which calls begin a trace.

    Attributes:
        on: whether any are traced.
        rate: of so many calls one begins a trace; a call that a caller traces always joins.
    """

    on: bool = False
    rate: int = 1


class TraceSettings:
    """The trace policy of this process; every method is safe from any thread.

    Args:
        start: the policy at start, to which a cleared setting returns.
        reason: why there can be no traces; empty where there can.
    """

    def __init__(self, start: TracePolicy, *, reason: str = "") -> None:
        self._start = start
        self._reason = reason
        self._lock = threading.Lock()
        self.policy = start

    def update(self, settings: Mapping[str, Iterable[str]]) -> None:
        """Change settings, all of them or none; a setting without values returns to what it was at start.

        Raises:
            InvalidInputError: an unknown setting, or a value that is not allowed.
            UnavailableError: traces are to be turned on where there can be none.
        """
        with self._lock:
            policy = self.policy
            for name, values in settings.items():
                policy = self._changed(policy, name, list(values))
            if policy.on and self._reason:
                raise UnavailableError(f"trace_level cannot be TIMESTAMPS: {self._reason}")
            self.policy = policy

    def show(self) -> dict[str, list[str]]:
        """Every setting with its values."""
        policy = self.policy
        return {
            "trace_level": [TRACE_LEVELS[policy.on]],
            "trace_rate": [str(policy.rate)],
            "trace_mode": [TRACE_MODE],
        }

    def _changed(self, policy: TracePolicy, name: str, values: list[str]) -> TracePolicy:
        if name == "trace_level":
            if any(value not in TRACE_LEVELS for value in values):
                raise _refused(name, values, " or ".join(TRACE_LEVELS))
            return replace(policy, on="TIMESTAMPS" in values if values else self._start.on)
        if name == "trace_rate":
            number = int(values[0]) if len(values) == 1 and _is_count(values[0]) else 0
            if values and not 1 <= number <= _MAX_RATE:
                raise _refused(name, values, f"one number from 1 to {_MAX_RATE}")
            return replace(policy, rate=number or self._start.rate)
        if name == "trace_mode":
            if values not in ([], [TRACE_MODE]):
                raise _refused(name, values, TRACE_MODE)
            return policy
        known = self.show()
        raise InvalidInputError(
            f"trace setting '{name}' is unknown; known: {', '.join(known)}", hint=did_you_mean(name, known)
        )


def _is_count(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= len(str(_MAX_RATE))


def _refused(name: str, values: list[str], allowed: str) -> InvalidInputError:
    return InvalidInputError(f"trace setting '{name}': {', '.join(values)} came, allowed: {allowed}")
