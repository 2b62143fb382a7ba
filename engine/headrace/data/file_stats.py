"""What a data file's entry in the log says of its content: rows, and lowest and highest values.

In Delta's own form, so that other readers skip files by it too; here an upsert leaves files unread whose keys cannot be
among its rows. Reference: Delta transaction log protocol, "Per-file Statistics".
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow.parquet as pq

_COLUMNS = 32
_LONGEST_TEXT = 64
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MS = timedelta(milliseconds=1)

Bound = int | str


@dataclass(frozen=True)
class FileStats:
    """Of one data file.

    Attributes:
        rows: number of rows; -1: not told.
        lowest: no value of the column is below; columns of whole numbers, times (text, UTC, whole milliseconds) and
            strings of at most 64 characters, the first 32 columns. Nulls do not count.
        highest: no value of the column is above.
    """

    rows: int
    lowest: Mapping[str, Bound] = field(default_factory=dict)
    highest: Mapping[str, Bound] = field(default_factory=dict)

    def to_json(self) -> str:
        """As an `add` action has it."""
        return json.dumps({"numRecords": self.rows, "minValues": self.lowest, "maxValues": self.highest})

    def bounds(self, column: str, dtype: str) -> tuple[Bound, Bound] | None:
        """Lowest and highest value, times in microseconds since 1970; None where they are not told."""
        low, high = self.lowest.get(column), self.highest.get(column)
        if low is None or high is None:
            return None
        if dtype == "timestamp":
            return _microseconds(str(low)), _microseconds(str(high))
        return (low, high) if isinstance(low, str) == isinstance(high, str) == (dtype == "string") else None


def stats_of_action(add: Mapping[str, Any]) -> FileStats:
    """What an `add` action says of its file; of a file of another writer it may be nothing."""
    told = json.loads(add["stats"]) if add.get("stats") else {}
    return FileStats(int(told.get("numRecords", -1)), told.get("minValues") or {}, told.get("maxValues") or {})


def stats_of_file(written: pq.FileMetaData) -> FileStats:
    """What a file that was just written holds, by the statistics of its one row group."""
    lowest: dict[str, Bound] = {}
    highest: dict[str, Bound] = {}
    for index in range(min(written.num_columns, _COLUMNS) if written.num_row_groups == 1 else 0):
        column = written.row_group(0).column(index)
        if column.is_stats_set and column.statistics.has_min_max:
            try:
                low, high = _bound(column.statistics.min), _bound(column.statistics.max, up=True)
            except (OverflowError, ValueError):  # times beyond the years 1 to 9999
                continue
            if low is not None and high is not None:
                lowest[column.path_in_schema], highest[column.path_in_schema] = low, high
    return FileStats(written.num_rows, lowest, highest)


def _bound(value: Any, *, up: bool = False) -> Bound | None:
    if isinstance(value, datetime):
        whole = value.replace(microsecond=value.microsecond // 1000 * 1000)
        whole += _MS if up and whole != value else timedelta(0)
        return whole.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"  # four digits a year
    if isinstance(value, str):
        return value if len(value) <= _LONGEST_TEXT else None
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _microseconds(text: str) -> int:
    return (datetime.fromisoformat(text) - _EPOCH) // timedelta(microseconds=1)
