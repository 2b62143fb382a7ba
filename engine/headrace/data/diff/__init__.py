"""Two versions of a table side by side: columns, rows, and how each column's distribution moved.

It says what differs, not whether that is wrong: rules and anomalies belong to `headrace.validation`.
"""

from headrace.data.diff.columns import ColumnMove
from headrace.data.diff.rows import RowDiff
from headrace.data.diff.versions import TableDiff, diff_versions

__all__ = ["ColumnMove", "RowDiff", "TableDiff", "diff_versions"]
