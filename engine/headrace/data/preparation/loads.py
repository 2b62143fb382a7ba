"""How rows get into a table that is there: replaced, appended, or matched by key; all of them or only the new ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from headrace.core.errors import DefinitionError


@dataclass(frozen=True)
class Watermark:
    """Only rows beyond the highest value that was ingested.

    The value is kept with the table's commit: a load that failed, or is repeated, begins where the table ends.

    Attributes:
        column: of the prepared table, never missing in rows that count: a row without it is set aside. Int64, float64,
            string or timestamp; it should not decrease as rows come into being.
        late: how far behind the highest value rows may still come or be corrected: a timedelta for timestamps, a number
            for numbers. Needs `Load(mode="upsert")`, because such rows come again.
        source_column: what the source calls the column: a source that can then does not send the other rows.

    Raises:
        DefinitionError: no column, or a `late` that is not positive.
    """

    column: str
    late: timedelta | float | None = None
    source_column: str | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        if not self.column:
            raise DefinitionError("a Watermark needs a column")
        if self.late is not None and not (
            self.late > timedelta(0) if isinstance(self.late, timedelta) else self.late > 0
        ):
            raise DefinitionError(f"late={self.late} is not positive")

    def bound(self, highest: Any) -> Any:
        """What a row's value has to exceed."""
        return highest if self.late is None or highest is None else highest - self.late


@dataclass(frozen=True)
class Load:
    """What an ingestion does to the table.

    Attributes:
        mode: `replace` gives it the source's content; `append` puts the source's rows behind those that are there;
            `upsert` replaces rows of the same key where they are, and appends the others.
        keys: columns that name a row, for `upsert`; of several rows with one key the last wins, unless the
            `Preparation` says otherwise.
        watermark: for `append` and `upsert`.
        transaction: names this load; a repeated name does nothing. None: derived from the watermark or the source's
            content, so that the same files are not loaded twice.

    Raises:
        DefinitionError: keys or a watermark that do not go with the mode.
    """

    mode: Literal["replace", "append", "upsert"] = "replace"
    keys: Sequence[str] = ()
    watermark: Watermark | None = field(default=None, kw_only=True)
    transaction: str | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        if (self.mode == "upsert") != bool(self.keys) or isinstance(self.keys, str):
            raise DefinitionError(f"keys are for mode 'upsert', a list of columns; this is '{self.mode}' {self.keys!r}")
        if self.watermark is not None and self.mode == "replace":
            raise DefinitionError("a watermark leaves old rows out: use mode 'append' or 'upsert'")
        if self.watermark is not None and self.watermark.late is not None and self.mode != "upsert":
            raise DefinitionError("late rows come again: a watermark with `late` needs mode 'upsert' and keys")


def value_to_json(value: Any) -> Any:
    """A watermark as JSON data."""
    return {"time": value.astimezone(UTC).isoformat()} if isinstance(value, datetime) else value


def value_from_json(value: Any) -> Any:
    """A watermark as it was."""
    return datetime.fromisoformat(value["time"]) if isinstance(value, dict) else value
