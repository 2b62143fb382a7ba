"""The rows that ask."""

from __future__ import annotations

from dataclasses import dataclass

from headrace.features.executor.columns import TableColumns
from headrace_kernels.dtypes import Times


@dataclass(frozen=True)
class Spine:
    """The rows that ask.

    Attributes:
        columns: their columns.
        query_time: int64[n_rows], microseconds UTC.
        at: column the query time counts from.
        offset_us: distance from it.
    """

    columns: TableColumns
    query_time: Times
    at: str
    offset_us: int
