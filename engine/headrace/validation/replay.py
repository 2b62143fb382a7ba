"""Rows that were set aside, asked again: after the schema or the rows themselves were put right."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from headrace.core.errors import InvalidInputError
from headrace.validation.schema import Schema
from headrace.validation.table_checks import Surroundings
from headrace.validation.validate import validate

if TYPE_CHECKING:
    import pyarrow as pa

_ROW = "__headrace_row"


@dataclass(frozen=True)
class Replay:
    """What came of asking again.

    Attributes:
        accepted: rows that pass now, with the accepted table's columns, in their order.
        rejected: rows that still fail, with their reasons of now.
    """

    accepted: pa.Table
    rejected: pa.Table


def replay(accepted: pa.Table, rejected: pa.Table, schema: Schema, around: Surroundings | None = None) -> Replay:
    """Check set-aside rows again, beside the rows that were accepted before them.

    Uniqueness, order and foreign keys are judged with the accepted rows first, so that a row that repeats one of them
    still fails. Rows that were accepted are not judged again.

    Args:
        accepted: what the table holds now.
        rejected: rows that were set aside, as `ValidationReport.rejected` gives them; columns that validation added are
            dropped where the accepted table does not have them, and kept on rows that still fail.
        schema: the rules as they are now.
        around: as for `validate`.

    Raises:
        InvalidInputError: the set-aside rows lack a column of the accepted table.
    """
    import pyarrow as pa

    absent = [name for name in accepted.column_names if name not in rejected.column_names]
    if absent:
        raise InvalidInputError(
            f"the set-aside rows have no column '{absent[0]}', which the table has",
            hint="ingest and validate the source again: its columns changed",
        )
    rows = rejected.select(accepted.column_names).cast(accepted.schema)
    together = pa.concat_tables([accepted, rows])
    numbers = pa.array(range(-accepted.num_rows, rejected.num_rows), pa.int64())
    report = validate(together.append_column(_ROW, numbers), schema, around)
    passed = {row for row in report.accepted.column(_ROW).to_pylist() if row >= 0}
    reasons = {
        row: reason
        for row, reason in zip(
            report.rejected.column(_ROW).to_pylist(), report.rejected.column("reason").to_pylist(), strict=True
        )
        if row >= 0
    }
    mask = pa.array([row in passed for row in range(rejected.num_rows)], pa.bool_())
    failing = rejected.filter(pa.compute.invert(mask))
    spoken = pa.array([reasons[row] for row in sorted(reasons)], pa.string())
    assert len(spoken) == failing.num_rows, "a row passes or has a reason"
    kept = [name for name in failing.column_names if name != "reason"]
    return Replay(rows.filter(mask), failing.select(kept).append_column("reason", spoken))
