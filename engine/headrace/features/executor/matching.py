"""As-of lookups on their own, for what is fitted to states before there is a matrix."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from headrace.features.executor.columns import TableColumns
from headrace.features.executor.key_groups import KeyGroup, Target
from headrace.features.executor.keys import encode_keys
from headrace.features.executor.spine import Spine
from headrace.features.executor.states import StateBlock
from headrace.features.views import StateView
from headrace_kernels.dtypes import Positions


def match_states(
    view: StateView, states: TableColumns, on: Sequence[str], tolerance_us: int | None, spine: Spine
) -> Positions:
    """Row of the last state each spine row knows: int64[n_rows], -1 where there is none.

    Args:
        view: how the table is read.
        states: its columns.
        on: the spine's key columns.
        tolerance_us: oldest state that still counts, inclusive, or None.
        spine: the rows that ask.
    """
    n_rows = spine.columns.n_rows
    block = StateBlock(view, states, tolerance_us, [])
    block.keep_matches(n_rows)
    nothing = Target(np.empty((n_rows, 0), dtype=np.float32), np.empty((n_rows, 0), dtype=np.float64))
    group = KeyGroup(encode_keys(states, view.keys, spine.columns, on), [block], spine, nothing)
    group.cut(_one_by_one)
    tasks = list(group.tasks())
    while tasks:
        tasks += tasks.pop()()
    assert block.matches is not None
    return block.matches


def _one_by_one(work: Callable[[int], None], count: int) -> None:
    for index in range(count):
        work(index)
