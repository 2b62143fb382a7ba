"""Run as-of and lookup features: the matching row once a state and key, then one gather for all its columns."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from headrace.features.keys import encode_keys, without_rows
from headrace.features.table_columns import TableColumns
from headrace.features.views import StateView
from headrace.features.window_run import Spine
from headrace_kernels.cpu import asof, grouping
from headrace_kernels.dtypes import MAX_TIME_US, Matrix, Positions


def match_states(
    view: StateView, states: TableColumns, on: Sequence[str], tolerance_us: int | None, spine: Spine
) -> Positions:
    """Row of the last state each spine row knows.

    Ties in `valid_from`, and rows of a static lookup, are ordered by position: the last wins.

    Args:
        view: how the table is read.
        states: its columns.
        on: the spine's key columns.
        tolerance_us: oldest state that still counts, inclusive, or None.
        spine: the rows that ask.

    Returns:
        int64[n_rows], rows of the state table, or -1.
    """
    codes = encode_keys(states, view.keys, spine.columns, on)
    if view.valid_from is None:
        time, kept = np.full(states.n_rows, -MAX_TIME_US, dtype=np.int64), None
    else:
        time, kept = states.times(view.valid_from)
    events = grouping.group_events(without_rows(codes.left, kept), time, time + view.delay_us, codes.n_keys)
    queries = grouping.group_ordered_queries(codes.right, spine.query_time, codes.n_keys, spine.order)
    return asof.match_states(events, queries, -1 if tolerance_us is None else tolerance_us, len(spine.query_time))


def write_states(
    states: TableColumns, names: Sequence[str], matches: Positions, slots: Sequence[int], out: Matrix
) -> None:
    """Write columns of the matched states.

    Args:
        states: the state table's columns.
        names: which of them.
        matches: int64[n_rows], rows of the state table, or -1, which gives NaN.
        slots: the matrix's column of each.
        out: float32[n_rows, n_features], C-contiguous.
    """
    table = np.ascontiguousarray(np.stack([states.floats32(name) for name in names], axis=1))
    asof.gather_rows(table, matches, np.array(slots, dtype=np.int64), out)


def take_states(states: TableColumns, name: str, matches: Positions) -> pa.ChunkedArray:
    """A column of the matched states as Arrow, null without a match."""
    return states.arrow(name).take(pa.array(matches, mask=matches < 0))
