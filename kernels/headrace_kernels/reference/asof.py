"""As-of lookups, state by state."""

from __future__ import annotations

import numpy as np

from headrace_kernels.arrays import GroupedEvents, GroupedQueries
from headrace_kernels.dtypes import Floats, Positions


def match_states(states: GroupedEvents, queries: GroupedQueries, tolerance_us: int) -> Positions:
    """The row of the last state each query knows.

    A state counts when it has the query's key, `visible_at <= q` and, where `tolerance_us >= 0`,
    `q - time <= tolerance_us`. Of several, the last in the groups' order wins. No match: -1.

    Args:
        states: grouped states; `time` is when they begin to hold. Their visibility is ordered within a key.
        queries: grouped queries.
        tolerance_us: oldest state that still counts, inclusive; negative for no limit.

    Returns:
        int64[n_queries], rows of the state table, or -1.
    """
    matches = np.full(len(queries.time), -1, dtype=np.int64)
    for key in range(len(queries.groups.starts) - 1):
        for place in range(queries.groups.starts[key], queries.groups.starts[key + 1]):
            now = queries.time[place]
            for state in range(states.groups.starts[key], states.groups.starts[key + 1]):
                if states.visible_at[state] <= now:
                    fresh = tolerance_us < 0 or now - states.time[state] <= tolerance_us
                    matches[place] = states.groups.rows[state] if fresh else -1
    return matches


def take_matches(values: Floats, matches: Positions, out: Floats) -> None:
    """Copy `values[matches]`, NaN where there is no match.

    Args:
        values: float64[n_states]; NaN = missing.
        matches: int64[n], rows of the state table, or -1.
        out: float64[n].
    """
    for place, match in enumerate(matches):
        out[place] = values[match] if match >= 0 else np.nan
