"""Which files can hold rows of given keys, by the lowest and highest values that their log entries tell."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from typing import TYPE_CHECKING

from headrace.data.file_stats import FileStats
from headrace.data.types import table_dtypes

if TYPE_CHECKING:
    import pyarrow as pa

    from headrace.data.file_stats import Bound


class KeyRanges:
    """Values of key columns, sorted.

    Args:
        rows: rows with the key columns, of the vocabulary's types.
        keys: the columns; none of them has nulls.
    """

    def __init__(self, rows: pa.Table, keys: Sequence[str]) -> None:
        dtypes = table_dtypes(rows)
        self._sorted = [
            (key, dtypes[key], _sorted(rows.column(key), dtypes[key]))
            for key in keys
            if dtypes[key] in ("int64", "timestamp", "string")
        ]

    def may_be_in(self, stats: FileStats) -> bool:
        """Whether each column has a value between the file's bounds; true where bounds are not told."""
        for key, dtype, values in self._sorted:
            bounds = stats.bounds(key, dtype)
            if bounds is not None and bisect_left(values, bounds[0]) == bisect_right(values, bounds[1]):
                return False
        return True


def _sorted(column: pa.ChunkedArray, dtype: str) -> Sequence[Bound]:
    """Strings in the order of their code points, which is that of their UTF-8 bytes."""
    import pyarrow as pa

    values = column.unique()
    if dtype == "timestamp":
        values = values.cast(pa.int64())
    return sorted(values.to_pylist())
