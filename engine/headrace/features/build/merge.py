"""Columns from everywhere - parts, an earlier matrix, memory - into one matrix file in the spine's row order."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from headrace.core.progress import Step
from headrace.data.types import arrow_type
from headrace.features.build.outputs import QUERY_TIME, ROW_ID, MatrixWriter, keeps_labels
from headrace.features.build.sources import Source, rechunked
from headrace.features.plan import FeaturePlan

if TYPE_CHECKING:
    import numpy.typing as npt
    import pyarrow as pa

_CHUNK_BYTES = 32 << 20


class Columns(Protocol):
    """Some columns of the matrix."""

    def write_into(self, out: npt.NDArray[np.float32], first: int) -> None:
        """Write the columns of rows [first, first + len(out)); calls go from the first row to the last."""
        ...


class MatrixColumns:
    """Columns that are in memory."""

    def __init__(self, values: npt.NDArray[np.float32], slots: Sequence[int]) -> None:
        self._values = values
        self._slots = np.asarray(slots)

    def write_into(self, out: npt.NDArray[np.float32], first: int) -> None:
        """Copy them."""
        out[:, self._slots] = self._values[first : first + len(out)]


@dataclass(frozen=True)
class Target:
    """The file that is written.

    Attributes:
        staged: where it is written.
        suffix: its format.
        plan: gives the columns and the labels.
        spine: the table whose rows it has.
    """

    staged: Path
    suffix: str
    plan: FeaturePlan
    spine: Source


def merge(target: Target, columns: Sequence[Columns], check: Callable[[], None], step: Step) -> None:
    """Write the matrix, a chunk of about 32 MiB at a time.

    Args:
        target: the file.
        columns: together, every column once.
        check: called between chunks; raises to end the work.
        step: advanced by rows.

    Raises:
        InvalidInputError: a feature is named like a label.
        CorruptedError: a part or the earlier matrix does not hold what it should.
        OSError: the disk is full.
    """
    names = target.plan.feature_names
    rows = target.spine.rows
    chunk_rows = max(1, min(rows, _CHUNK_BYTES // (4 * len(names))))
    schema = _label_schema(target)
    labels = _labels(target, schema, chunk_rows) if schema is not None else None
    writer = MatrixWriter(target.staged, target.suffix, names, schema)
    out = np.empty((chunk_rows, len(names)), dtype=np.float32)
    try:
        writer.open(rows)
        for first in range(0, rows, chunk_rows):
            check()
            chunk = out[: min(chunk_rows, rows - first)]
            for some in columns:
                some.write_into(chunk, first)
            writer.write(chunk, next(labels) if labels is not None else None)
            step.advance(len(chunk))
    finally:
        writer.close()


def _label_schema(target: Target) -> pa.Schema | None:
    """The columns before the features, or None where the format keeps none."""
    if not keeps_labels(target.suffix):
        return None
    import pyarrow as pa

    plan = target.plan
    times = pa.field(QUERY_TIME, pa.timestamp("us", "UTC"))
    if plan.row_id is None:
        return pa.schema([times])
    return pa.schema([pa.field(ROW_ID, arrow_type(plan.columns[plan.spine][plan.row_id])), times])


def _labels(target: Target, schema: pa.Schema, chunk_rows: int) -> Iterator[pa.Table]:
    import pyarrow as pa

    plan = target.plan
    dtypes = {name: plan.columns[plan.spine][name] for name in (plan.row_id, plan.at.column) if name is not None}
    for chunk in rechunked(target.spine.batches(dtypes), chunk_rows):
        shifted = pa.array(chunk.column(plan.at.column).cast(pa.int64()).to_numpy() + plan.at.offset_us)
        times = shifted.cast(pa.timestamp("us", "UTC"))
        yield pa.table([*([chunk.column(plan.row_id)] if plan.row_id is not None else []), times], schema=schema)
