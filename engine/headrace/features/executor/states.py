"""State features that share a view, a key and a tolerance: the last state known at each query."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from headrace.features.definition.expressions import StateColumn
from headrace.features.executor.bucket import BucketRows
from headrace.features.executor.columns import TableColumns
from headrace.features.views import StateView
from headrace_kernels.arrays import EventTimes, GroupedEvents, GroupedQueries
from headrace_kernels.cpu import asof
from headrace_kernels.dtypes import MAX_TIME_US, Floats, Positions, Times

StateKey = tuple[str, tuple[str, ...], int | None]
"""View, the spine's key columns, tolerance."""


def state_key(leaf: StateColumn) -> StateKey:
    """Columns of an expression with equal keys come from the same match."""
    return leaf.view.name, leaf.on, leaf.tolerance_us


class StateBlock:
    """Columns of the last state known at q; ties in `valid_from` are ordered by position, the last wins."""

    def __init__(
        self, view: StateView, states: TableColumns, tolerance_us: int | None, steps: Sequence[tuple[str, int]]
    ) -> None:
        """Take the state table and which of its columns go where.

        Args:
            view: how the table is read; without `valid_from`, every row holds for ever.
            states: its columns.
            tolerance_us: oldest state that still counts, inclusive, or None.
            steps: columns of the state table, and the slot of each.
        """
        self.events = states
        self.tolerance_us = -1 if tolerance_us is None else tolerance_us
        self.columns = [states.floats(name) for name, _ in steps]
        self.slots = [slot for _, slot in steps]
        self.matches: Positions | None = None
        if view.valid_from is None:
            time, self.kept = np.full(states.n_rows, -MAX_TIME_US, dtype=np.int64), None
        else:
            time, self.kept = states.times(view.valid_from)
        self.times = EventTimes(time, None, 0, view.delay_us, None)

    def keep_matches(self, n_rows: int) -> None:
        """Remember which state each spine row met, for expressions."""
        self.matches = np.full(n_rows, -1, dtype=np.int64)

    def prepare(self, bucket: BucketRows, time: Times) -> GroupedEvents:
        """Order a bucket's states, whose `valid_from` is given: int64[n]."""
        return bucket.events(self.times, time, self.kept)

    def write(self, prepared: GroupedEvents, queries: GroupedQueries, out: Floats) -> None:
        """Write the columns of the states met: float64[n_columns, n_queries]."""
        matches = asof.match_states(prepared, queries, self.tolerance_us)
        if self.matches is not None:
            self.matches[queries.groups.rows] = matches
        for line, column in enumerate(self.columns):
            asof.take_matches(column, matches, out[line])


def take_states(states: TableColumns, name: str, matches: Positions) -> pa.ChunkedArray:
    """A column of the matched states as Arrow, null without a match."""
    return states.arrow(name).take(pa.array(matches, mask=matches < 0))
