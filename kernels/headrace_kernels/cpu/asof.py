"""As-of lookups: one two-pointer sweep a key, then one gather a row."""

# ruff: noqa: PLR0917  # compiled loops take arrays, not objects

from __future__ import annotations

import numpy as np

from headrace_kernels.arrays import GroupedEvents, GroupedQueries
from headrace_kernels.cpu.jit import kernel
from headrace_kernels.dtypes import Matrix, Positions, Starts, Times


def match_states(states: GroupedEvents, queries: GroupedQueries, tolerance_us: int, n_rows: int) -> Positions:
    """The row of the last state each query knows, or -1; see the reference. Complexity: O(states + queries)."""
    matches = np.full(n_rows, -1, dtype=np.int64)
    _match_states(
        states.groups.starts, states.groups.rows, states.time, states.visible_at,
        queries.groups.starts, queries.groups.rows, queries.time, tolerance_us, matches,
    )  # fmt: skip
    return matches


@kernel
def _match_states(
    state_starts: Starts,
    state_rows: Positions,
    state_time: Times,
    visible_at: Times,
    query_starts: Starts,
    query_rows: Positions,
    query_time: Times,
    tolerance_us: int,
    matches: Positions,
) -> None:
    for key in range(len(query_starts) - 1):
        known = state_starts[key]
        for place in range(query_starts[key], query_starts[key + 1]):
            now = query_time[place]
            while known < state_starts[key + 1] and visible_at[known] <= now:
                known += 1
            if known > state_starts[key] and (tolerance_us < 0 or now - state_time[known - 1] <= tolerance_us):
                matches[query_rows[place]] = state_rows[known - 1]


@kernel
def gather_rows(table: Matrix, matches: Positions, slots: Positions, out: Matrix) -> None:
    """Write the matched rows of a table into columns of the matrix, NaN without a match; see the reference."""
    for row in range(len(matches)):
        match = matches[row]
        for column in range(len(slots)):
            out[row, slots[column]] = table[match, column] if match >= 0 else np.float32(np.nan)
