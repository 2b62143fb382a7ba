"""As-of lookups, state by state."""

from __future__ import annotations

import numpy as np

from headrace_kernels.arrays import GroupedEvents, GroupedQueries
from headrace_kernels.dtypes import Matrix, Positions


def match_states(states: GroupedEvents, queries: GroupedQueries, tolerance_us: int, n_rows: int) -> Positions:
    """The row of the last state each query knows.

    A state counts when it has the query's key, `visible_at <= q` and, where `tolerance_us >= 0`,
    `q - time <= tolerance_us`. Of several, the last in the groups' order wins. No match, or no key: -1.

    Args:
        states: grouped states; `time` is when they begin to hold. Their visibility is ordered within a key.
        queries: grouped queries; `rows` are positions in the result.
        tolerance_us: oldest state that still counts, inclusive; negative for no limit.
        n_rows: length of the result.

    Returns:
        int64[n_rows], rows of the state table, or -1.
    """
    matches = np.full(n_rows, -1, dtype=np.int64)
    for key in range(len(queries.groups.starts) - 1):
        for place in range(queries.groups.starts[key], queries.groups.starts[key + 1]):
            now = queries.time[place]
            for state in range(states.groups.starts[key], states.groups.starts[key + 1]):
                if states.visible_at[state] <= now:
                    fresh = tolerance_us < 0 or now - states.time[state] <= tolerance_us
                    matches[queries.groups.rows[place]] = states.groups.rows[state] if fresh else -1
    return matches


def gather_rows(table: Matrix, matches: Positions, slots: Positions, out: Matrix) -> None:
    """Write the matched rows of a table into columns of the matrix; no match gives NaN.

    Args:
        table: float32[n_states, n_columns], C-contiguous; NaN = missing.
        matches: int64[n_rows], row of `table`, or -1.
        slots: int64[n_columns], the matrix's column of each table column.
        out: float32[n_rows, n_features], C-contiguous.
    """
    for row, match in enumerate(matches):
        for column, slot in enumerate(slots):
            out[row, slot] = table[match, column] if match >= 0 else np.nan
