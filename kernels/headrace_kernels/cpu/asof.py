"""As-of lookups, by one sweep over the states and queries of each key."""

# ruff: noqa: PLR0917  # compiled loops take arrays, not objects

from __future__ import annotations

import numpy as np

from headrace_kernels.arrays import GroupedEvents, GroupedQueries
from headrace_kernels.cpu.jit import kernel
from headrace_kernels.dtypes import Floats, Positions, Starts, Times


def match_states(states: GroupedEvents, queries: GroupedQueries, tolerance_us: int) -> Positions:
    """The row of the last state each query knows; see the reference. Complexity: O(states + queries)."""
    matches = np.empty(len(queries.time), dtype=np.int64)
    _match(
        states.groups.starts, states.groups.rows, states.time, states.visible_at,
        queries.groups.starts, queries.time, tolerance_us, matches,
    )  # fmt: skip
    return matches


@kernel
def take_matches(values: Floats, matches: Positions, out: Floats) -> None:
    """Copy `values[matches]`, NaN where there is no match; see the reference."""
    for place in range(len(matches)):
        out[place] = values[matches[place]] if matches[place] >= 0 else np.nan


@kernel
def _match(
    state_starts: Starts,
    state_rows: Positions,
    valid_from: Times,
    visible_at: Times,
    query_starts: Starts,
    query_time: Times,
    tolerance_us: int,
    matches: Positions,
) -> None:
    for key in range(len(query_starts) - 1):
        upper, start = state_starts[key], state_starts[key]
        for query in range(query_starts[key], query_starts[key + 1]):
            now = query_time[query]
            while upper < state_starts[key + 1] and visible_at[upper] <= now:
                upper += 1
            match = -1
            if upper > start and (tolerance_us < 0 or now - valid_from[upper - 1] <= tolerance_us):
                match = state_rows[upper - 1]
            matches[query] = match
