"""As-of lookups on the device: a search a query, by tiles of neighbouring queries."""

from __future__ import annotations

import numpy as np

from headrace_kernels.arrays import GroupedEvents, GroupedQueries
from headrace_kernels.cuda import device
from headrace_kernels.cuda.device import DeviceArray
from headrace_kernels.cuda.frames import SEARCH_TILE
from headrace_kernels.cuda.source import Source

SOURCE = Source("asof")


def match_states(states: GroupedEvents, queries: GroupedQueries, tolerance_us: int) -> DeviceArray:
    """The row of the last state each query knows; see the reference.

    Complexity: O(log(states between two neighbouring tiles of queries)) a query; 16 bytes a query and 24 a state, each
    read once where queries are dense.
    """
    count, starts = len(queries.time), queries.groups.starts
    matches = device.empty(count, np.int64)
    SOURCE.launch_blocks(
        "find_states", -(-count // SEARCH_TILE), states.groups.starts, states.groups.rows, states.time,
        states.visible_at, starts, len(starts) - 1, queries.time, tolerance_us, count, matches,
    )  # fmt: skip
    return matches


def take_matches(values: DeviceArray, matches: DeviceArray, out: DeviceArray) -> None:
    """Copy `values[matches]`, NaN where there is no match; see the reference. `out` may be float32: one rounding.

    Complexity: O(n); 8 bytes of the match, a sector of 32 of the value, and the result, for each query.
    """
    kernel = "take_f32" if out.dtype == np.float32 else "take_f64"
    SOURCE.launch(kernel, len(matches), values, matches, len(matches), out)
