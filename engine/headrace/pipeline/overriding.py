"""What happens where a gate failed: nothing is registered, or a person said why it shall be, and that is recorded.

The reason and the gates go into the package, under its digest. Who and when do not: they would give equal packages
different digests. They stand in the registry's alias history and in the run's summary.
"""

from __future__ import annotations

import getpass
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from headrace.core.errors import FailedCheckError, InvalidInputError

MIN_REASON_CHARS = 10


@dataclass(frozen=True)
class Override:
    """A failed gate that a person set aside.

    Attributes:
        reason: why.
        gates: names of the gates that failed.
    """

    reason: str
    gates: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Encode as JSON data."""
        return {"reason": self.reason, "gates": list(self.gates)}

    @property
    def words(self) -> str:
        """For the alias history."""
        return f"gates overridden ({'; '.join(self.gates)}): {self.reason}"


def check_reason(reason: str | None) -> str:
    """A reason without the space around it; empty where none was given.

    Raises:
        InvalidInputError: a reason that says nothing.
    """
    if reason is None:
        return ""
    said = " ".join(reason.split())
    if len(said) < MIN_REASON_CHARS:
        raise InvalidInputError(
            f"an override needs a reason of at least {MIN_REASON_CHARS} characters, not '{reason}'",
            hint='say why, for the people who will ask: --override "new airport, 300 rows until March"',
        )
    return said


def failed_gates(gates: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Verdicts that did not pass."""
    return [verdict for verdict in gates["verdicts"] if not verdict["passed"]]


def require_gates(part: str, gates: Mapping[str, Any], reason: str) -> Override | None:
    """Let a model pass whose gates passed, or whose failed gates are overridden.

    Args:
        part: which model, in words.
        gates: the gate report as JSON data.
        reason: of the override; empty: there is none.

    Returns:
        what was overridden; None where every gate passed.

    Raises:
        FailedCheckError: a gate failed and no reason was given.
    """
    failed = failed_gates(gates)
    if not failed:
        return None
    if not reason:
        raise FailedCheckError(
            f"{part} is not packaged, {len(failed)} of {len(gates['verdicts'])} gates failed: "
            + "; ".join(f"'{verdict['name']}': {verdict['reason']}" for verdict in failed),
            hint="improve the model, change the gate in the project file where it asks for too much, "
            'or register it all the same: --override "REASON" (recorded)',
        )
    return Override(reason, tuple(verdict["name"] for verdict in failed))


def person() -> str:
    """Who runs this, for the alias history."""
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):  # no entry for the user's number, as in some containers
        return "unknown user"
