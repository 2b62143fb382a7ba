"""What a table should look like, proposed from what it does look like; a person reviews it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from headrace.data.profiling.result import ColumnProfile, Profile

DOMAIN_STRINGS = 50
DOMAIN_INTEGERS = 10
DOMAIN_ROWS = 20  # a value of a domain comes this often, on average, before the domain is believed
UNIQUE_ROWS = 20
SLACK = 0.1
_EXACT_INTEGERS = 2**53


@dataclass(frozen=True)
class FieldProposal:
    """What is proposed for a column; the names are those of `headrace.validation.Field`.

    Attributes:
        min, max: the range that was seen, widened by a tenth of its width and rounded outwards; never across zero.
        allowed: all values there were, where they are few and each came often.
        unique: no value came twice in at least UNIQUE_ROWS rows, and that is known, not estimated.
        null_share_at_most: one and a half times the share that was seen, and a hundredth more.
        note: what a reviewer should know.
    """

    name: str
    dtype: str
    nullable: bool = False
    min: float | None = None
    max: float | None = None
    allowed: tuple[Any, ...] = ()
    unique: bool = False
    null_share_at_most: float | None = None
    note: str = ""

    def settings(self) -> dict[str, Any]:
        """Arguments of a `Field` that differ from its defaults, name and dtype left out."""
        values = {name: getattr(self, name) for name in ("nullable", "min", "max", "allowed", "unique")}
        given = {
            name: value for name, value in values.items() if value is not None and value is not False and value != ()
        }
        return given | ({"null_share_at_most": self.null_share_at_most} if self.nullable else {})


@dataclass(frozen=True)
class SchemaProposal:
    """A schema, before a person has seen it.

    Attributes:
        fields: one a column that a table can hold.
        rows_at_least: half of the rows that were seen, rounded down to one digit.
        keys: columns without a null whose values are unique, or look so.
        left_out: other columns, and why.
        source: what was profiled.
        rows: how many rows it had.
    """

    fields: tuple[FieldProposal, ...]
    rows_at_least: int
    keys: tuple[str, ...]
    left_out: tuple[tuple[str, str], ...]
    source: str
    rows: int

    def to_json(self) -> dict[str, Any]:
        """JSON data: `fields`, `unique` and `rows_at_least` as a schema's, and the reviewer's notes beside them."""
        return {
            "fields": [
                {"name": item.name, "dtype": item.dtype}
                | {name: list(value) if name == "allowed" else value for name, value in item.settings().items()}
                for item in self.fields
            ],
            "unique": [],
            "rows_at_least": self.rows_at_least,
            "key_candidates": list(self.keys),
            "left_out": dict(self.left_out),
            "notes": {item.name: item.note for item in self.fields if item.note},
        }


def infer_schema(profile: Profile) -> SchemaProposal:
    """Propose a schema that the profiled rows pass.

    Every rule is a proposal: a range says what came, not what may come. Nothing is proposed for columns whose type a
    table cannot hold, and no range where NaN or infinite values came, because a range refuses them.
    """
    kept = [column for column in profile.columns if column.dtype is not None]
    left_out = tuple((column.name, _unheld(column)) for column in profile.columns if column.dtype is None)
    keys = tuple(column.name for column in kept if _is_key(column, profile.rows))
    half = profile.rows // 2
    digit = 10 ** max(0, len(str(half)) - 1)
    return SchemaProposal(
        tuple(_propose(column, profile.rows) for column in kept),
        max(1, half // digit * digit),
        keys,
        left_out,
        profile.source,
        profile.rows,
    )


def _propose(column: ColumnProfile, rows: int) -> FieldProposal:
    share = column.nulls / rows if rows else 0.0
    allowed = _domain(column, rows)
    low, high = _range(column) if not allowed else (None, None)
    return FieldProposal(
        column.name,
        str(column.dtype),
        nullable=column.nulls > 0 or not rows,
        min=low,
        max=high,
        allowed=allowed,
        unique=column.unique is True and column.kind in ("int", "string", "time") and rows >= UNIQUE_ROWS,
        null_share_at_most=1.0 if not rows else min(1.0, math.ceil(150 * share + 1) / 100),
        note=_note(column, rows),
    )


def _domain(column: ColumnProfile, rows: int) -> tuple[Any, ...]:
    """All values, where they are few, exactly known, shown whole, and there were rows enough to believe it."""
    most = {"string": DOMAIN_STRINGS, "int": DOMAIN_INTEGERS}.get(column.kind, 0)
    values = rows - column.nulls
    if column.kind == "int" and column.distinct == 1:  # a year, a version: the next one will be another
        return ()
    if not column.distinct or column.distinct > most or len(column.top) < column.distinct or column.top_error:
        return ()
    if values < DOMAIN_ROWS * column.distinct or column.lengths.get("max", 0) > 200:
        return ()
    return tuple(sorted(top.value for top in column.top))


def _range(column: ColumnProfile) -> tuple[float | None, float | None]:
    if column.kind not in ("int", "float") or column.min is None or column.nan or column.infinite:
        return None, None
    low, high = column.min, column.max
    width = high / 2 - low / 2 or max(abs(low), 1.0) / 2
    slack = 2 * SLACK * width
    if not math.isfinite(slack) or slack < 1e-300:
        return None, None
    step = 10.0 ** math.floor(math.log10(slack)) if column.kind == "float" else 10 ** max(0, int(math.log10(slack)))
    return _outward(low, slack, step, -1), _outward(high, slack, step, 1)


def _outward(end: float, slack: float, step: float, sign: int) -> float | None:
    """The end moved outwards by the slack, then to the next multiple of the step; zero stops it."""
    if not math.isfinite(end * sign + slack):
        return None
    multiple = math.ceil((end * sign + slack) / step) * step
    if end * sign <= 0 < multiple:
        multiple = 0
    if isinstance(step, int):
        return int(multiple) * sign if abs(multiple) < _EXACT_INTEGERS else None
    bound = round(multiple, max(0, -math.floor(math.log10(step)))) * sign
    return bound + 0.0 if math.isfinite(bound) else None


def _is_key(column: ColumnProfile, rows: int) -> bool:
    if column.nulls or column.kind not in ("int", "string", "time") or rows < UNIQUE_ROWS or column.unique is False:
        return False
    return column.unique is True or (column.distinct or 0) >= 0.98 * rows


def _note(column: ColumnProfile, rows: int) -> str:
    notes = []
    if column.nulls == rows and rows:
        notes.append("no row has a value")
    if column.nan or column.infinite:
        notes.append(f"{column.nan:,} NaN and {column.infinite:,} infinite values, which a range would refuse")
    if column.unique is None and _is_key(column, rows):
        notes.append("looks unique, by an estimate; unique=True would check it")
    if column.kind == "time" and column.order == "ascending":
        notes.append("rows come in its order")
    if column.distinct == 1 and column.nulls < rows:
        notes.append("one value alone")
    return "; ".join(notes)


def _unheld(column: ColumnProfile) -> str:
    if column.arrow.startswith("timestamp"):
        return f"{column.arrow} has no time zone: say which one its times are in"
    return f"{column.arrow} has no type in a table: convert it first"
