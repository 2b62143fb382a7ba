"""What is done to a source's rows before they are a table's, in a fixed order."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from headrace.core.errors import DefinitionError, HeadraceError, did_you_mean
from headrace.data.preparation.duplicates import Deduplicate
from headrace.data.preparation.identity import RowId
from headrace.data.preparation.values import Reading
from headrace.data.reading import Part, Rejection, rejected_table, shown
from headrace.data.types import conform

if TYPE_CHECKING:
    import polars as pl
    import pyarrow as pa

    from headrace.data.sources.csv import Prepare


@dataclass(frozen=True)
class Preparation:
    """Steps from a source's columns to a table's, row for row, in this order.

    Attributes:
        values: how columns are read (`Typed`, `LocalTime`, `Decimal`, `Unit`), by the source's name. A value that does
            not read sets its row aside.
        rename: new names by old ones.
        derive: new or replaced columns: Polars expressions of one row (no sums, shifts or ranks), seeing the new names.
        keep: a Polars expression: rows where it is not true are left out.
        then: a function from LazyFrame to LazyFrame for what cannot be said otherwise, row for row.
        drop: columns that are left out at the end.
        required: columns of the result whose missing value sets the row aside.
        row_id: a column that identifies each row.
        deduplicate: which of several rows with one key stays.

    Raises:
        DefinitionError: two columns get one name.
    """

    values: Mapping[str, Reading] = field(default_factory=dict)
    rename: Mapping[str, str] = field(default_factory=dict)
    derive: Mapping[str, pl.Expr] = field(default_factory=dict)
    keep: pl.Expr | None = None
    then: Prepare | None = None
    drop: Sequence[str] = ()
    required: Sequence[str] = ()
    row_id: RowId | None = None
    deduplicate: Deduplicate | None = None

    def __post_init__(self) -> None:
        twice = sorted({name for name in self.rename.values() if list(self.rename.values()).count(name) > 1})
        if twice:
            raise DefinitionError(f"Preparation renames several columns to '{twice[0]}'")

    def apply(self, part: Part, name: str) -> Part:
        """Prepare one piece.

        Args:
            part: of the source.
            name: of the table, for messages.

        Raises:
            DefinitionError: a column is not there, an expression fails, or the result has columns that no table holds.
        """
        import polars as pl

        frame = pl.DataFrame(part.table)
        reasons: dict[int, str] = {}
        original = frame
        with _told(name):
            for column, reading in self.values.items():
                frame = _read(frame, column, reading, reasons, name)
            missing = [column for column in self.rename if column not in frame.columns]
            if missing:
                raise _absent("rename", missing[0], frame.columns, name)
            lazy = frame.rename(dict(self.rename)).with_row_index(_ROW).lazy()
            lazy = lazy.with_columns(**self.derive)
            if self.keep is not None:
                lazy = lazy.filter(self.keep)
            done = apply_function(self.then, lazy, name) if self.then is not None else lazy.collect()
            if _ROW not in done.columns:
                raise DefinitionError(f"'then' of table '{name}' selects columns away: use drop=[...]")
            rows = done.get_column(_ROW)
            done = done.drop(_ROW, *self.drop)
            keys = self.deduplicate.keys if self.deduplicate is not None else ()
            gone = set(reasons)
            for column in [*self.required, *(key for key in keys if key not in self.required)]:
                _require(done, rows, column, reasons, name)
            if reasons:
                stays = ~rows.is_in(sorted(reasons))
                # a row that the filter left out is no error, whatever else is wrong with it
                present = set(rows.to_list())
                reasons = {row: reason for row, reason in reasons.items() if row in present or row in gone}
                done, rows = done.filter(stays), rows.filter(stays)
            if self.row_id is not None:
                done = self.row_id.add(done)
        return _prepared(part, done, rows, _rejections(part, original, reasons), name)


_ROW = "__headrace_row"


def apply_function(function: Prepare, rows: pl.LazyFrame, name: str) -> pl.DataFrame:
    """Rows as a project's function makes them.

    Raises:
        DefinitionError: the function fails, or gives something else than a LazyFrame.
    """
    import polars as pl

    with _told(name):
        prepared = function(rows)
        if isinstance(prepared, pl.LazyFrame):
            return prepared.collect()
    raise DefinitionError(f"prepare of '{name}' gave a {type(prepared).__name__}; it takes and gives a LazyFrame")


def with_function(part: Part, function: Prepare, name: str) -> Part:
    """One piece as a project's function makes it; where that changes the number of rows, no row's place is known.

    Raises:
        DefinitionError: as `apply_function`, or columns that no table holds.
    """
    import polars as pl

    table = _conformed(apply_function(function, pl.DataFrame(part.table).lazy(), name), name)
    return replace(part, table=table, lines=part.lines if table.num_rows == part.table.num_rows else None)


@contextmanager
def _told(name: str) -> Iterator[None]:
    """Say which table it was, whatever a project's expressions and functions raise; the project's own errors stay."""
    try:
        yield
    except HeadraceError:
        raise
    except Exception as error:
        raise DefinitionError(f"prepare of '{name}' failed: {type(error).__name__}: {error}") from error


def _read(frame: pl.DataFrame, column: str, reading: Reading, reasons: dict[int, str], name: str) -> pl.DataFrame:
    """The frame with one column read; rows that do not read get their first reason."""
    if column not in frame.columns:
        raise _absent("values", column, frame.columns, name)
    texts = frame.get_column(column)
    values, failed = reading.read(texts)
    for row in failed.arg_true().to_list() if failed.any() else ():
        reasons.setdefault(row, f"column '{column}': '{shown(str(texts[row]))}' is not {reading.expected()}")
    return frame.with_columns(values.alias(column))


def _require(done: pl.DataFrame, rows: pl.Series, column: str, reasons: dict[int, str], name: str) -> None:
    if column not in done.columns:
        raise _absent("required", column, done.columns, name)
    for row in rows.filter(done.get_column(column).is_null()).to_list():
        reasons.setdefault(row, f"column '{column}' is missing, which no row may lack")


def _absent(where: str, column: str, names: Sequence[str], table: str) -> DefinitionError:
    return DefinitionError(
        f"preparation of '{table}': {where} names column '{column}', which is not there: {', '.join(names)}",
        hint=did_you_mean(column, names),
    )


def _rejections(part: Part, original: pl.DataFrame, reasons: Mapping[int, str]) -> list[Rejection]:
    """Rows set aside, with their values as JSON: the text they were read from is gone."""
    rejections = []
    for row in sorted(reasons):
        raw = json.dumps(original.row(row, named=True), default=str, ensure_ascii=False)
        line = int(part.lines[row]) if part.lines is not None else row + 1
        rejections.append(Rejection(line, raw, reasons[row]))
    return rejections


def _prepared(part: Part, done: pl.DataFrame, rows: pl.Series, rejections: list[Rejection], name: str) -> Part:
    import pyarrow as pa

    rejected = part.rejected
    if rejections:
        rejected = pa.concat_tables([rejected, rejected_table(part.file, rejections)]).sort_by("line_number")
    lines = part.lines[rows.to_numpy()] if part.lines is not None else None
    return replace(part, table=_conformed(done, name), rejected=rejected, lines=lines)


def _conformed(frame: pl.DataFrame, name: str) -> pa.Table:
    try:
        return conform(frame.to_arrow())
    except DefinitionError as error:
        raise DefinitionError(f"table '{name}': {error.message}", hint=error.hint) from error
