"""What looking at a table found: one sentence that names the column, and the figures behind it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Finding:
    """One thing worth a person's look.

    Attributes:
        kind: what it is, e.g. `unit_change`; the kinds of a package are listed in its docstring.
        column: of which column, several joined by commas; empty for the table.
        message: one sentence that names the column, what was found and what was expected.
        effect: how many times its limit it is; 1 where it has no scale.
        p_value: chance of as much by the sampling of rows alone; None where it is not a matter of chance.
        evidence: JSON data for pictures.
    """

    kind: str
    column: str
    message: str
    effect: float = 1.0
    p_value: float | None = None
    evidence: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """JSON data."""
        return {
            "kind": self.kind,
            "column": self.column,
            "message": self.message,
            "effect": round(self.effect, 6),
            "p_value": self.p_value,
            "evidence": dict(self.evidence),
        }
