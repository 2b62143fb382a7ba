"""The ends of windows on the CPU: a compiled sweep finds places, NumPy computes in the column's own type."""

# ruff: noqa: PLR0917  # compiled loops take arrays, not objects

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from headrace_kernels.arrays import Statistic, StatisticRequest, ValueColumn, WindowFrames
from headrace_kernels.cpu.jit import kernel
from headrace_kernels.dtypes import Floats, Integers, Positions, Times

_OLDEST = -1


def aggregate_ends(
    frames: WindowFrames,
    column: ValueColumn | None,
    requests: Sequence[StatisticRequest],
    out: npt.NDArray[np.float64],
) -> None:
    """Write FIRST, LAST, LAG, DIFF, RATIO and SINCE_LAST of every window; see the reference for the policy.

    Complexity: O(events + queries * requests) where visibility is ordered, else plus the events of a window that are
    not visible yet and the n of LAG.
    """
    if not len(frames.events.time):
        out[:] = np.array([request.empty for request in requests], dtype=np.float64)[:, None]
        return
    depths = sorted({depth for request in requests for depth in _depths(request)})
    places = np.empty((len(depths), len(frames.queries.time)), dtype=np.int64)
    kept, before = _kept(frames, column)
    visible_at = np.zeros(0, dtype=np.int64) if frames.events.ordered else frames.events.visible_at
    _find_places(
        frames.first, frames.last, frames.extra, frames.queries.time, visible_at, kept, before,
        np.array(depths, dtype=np.int64), places,
    )  # fmt: skip
    for row, request in enumerate(requests):
        chosen = [places[depths.index(depth)] for depth in _depths(request)]
        found = chosen[-1] >= 0  # the place further back is there only where the nearer one is
        with np.errstate(all="ignore"):
            out[row] = np.where(found, _end(frames, column, request, chosen), request.empty)


def _depths(request: StatisticRequest) -> list[int]:
    """How many values back from the newest one a statistic looks; the nearer place first."""
    if request.statistic == Statistic.FIRST:
        return [_OLDEST]
    if request.statistic == Statistic.LAG:
        return [int(request.parameter)]
    return [0, 1] if request.statistic in {Statistic.DIFF, Statistic.RATIO} else [0]


def _kept(frames: WindowFrames, column: ValueColumn | None) -> tuple[Positions, Integers]:
    """Places that are not null, and how many of them come before each place."""
    n_events = len(frames.events.time)
    if column is None or column.valid is None:
        return np.arange(n_events, dtype=np.int64), np.arange(n_events + 1, dtype=np.int64)
    before = np.zeros(n_events + 1, dtype=np.int64)
    np.cumsum(column.valid, out=before[1:])
    return np.flatnonzero(column.valid), before


def _end(
    frames: WindowFrames, column: ValueColumn | None, request: StatisticRequest, places: Sequence[Positions]
) -> Floats:
    """The statistic from the places it needs; -1 reads the last place, and what comes of it is not used."""
    if request.statistic == Statistic.SINCE_LAST:
        age: Floats = (frames.queries.time - frames.events.time[places[0]]).astype(np.float64)
        return age / request.parameter
    assert column is not None, "only SINCE_LAST needs no values"
    values = [column.values[place] for place in places]
    if request.statistic == Statistic.DIFF:
        return _difference(values[0], values[1])
    newest = values[0].astype(np.float64)
    return newest / values[1].astype(np.float64) if request.statistic == Statistic.RATIO else newest


def _difference(left: Floats | Integers, right: Floats | Integers) -> Floats:
    """Left - right, rounded once: the distance of two integers always fits 64 bits without a sign."""
    if left.dtype.kind == "f":
        return (left - right).astype(np.float64)
    distance = np.maximum(left, right).astype(np.uint64) - np.minimum(left, right).astype(np.uint64)
    return np.where(left >= right, 1.0, -1.0) * distance


@kernel
def _find_places(
    first: Integers,
    last: Integers,
    extra: Integers,
    query_time: Times,
    visible_at: Times,
    kept: Positions,
    before: Integers,
    depths: Integers,
    places: npt.NDArray[np.int64],
) -> None:
    """Find the places of values, counted from the newest one.

    Args:
        first: int64[n_queries].
        last: int64[n_queries].
        extra: int64[n_queries] or int64[0].
        query_time: int64[n_queries].
        visible_at: int64[n_events], or int64[0] where every event of a window is visible.
        kept: int64[n_kept], places that are not null.
        before: int64[n_events + 1], how many of `kept` come before each place.
        depths: int64[n_depths], how many values back from the newest, or -1 for the oldest.
        places: int64[n_depths, n_queries], result, -1 where there is none.
    """
    for query in range(len(query_time)):
        low, high = before[first[query]], before[last[query]]
        own = -1
        if len(extra) > 0 and extra[query] >= 0 and before[extra[query] + 1] > before[extra[query]]:
            own = extra[query]
        for index in range(len(depths)):
            place, left = -1, depths[index]
            if left == _OLDEST:
                place = own
                for here in range(low, high):
                    if len(visible_at) == 0 or visible_at[kept[here]] <= query_time[query]:
                        place = kept[here]
                        break
            elif left == 0 and own >= 0:
                place = own
            else:
                if own >= 0:
                    left -= 1
                here = high - 1
                if len(visible_at) == 0:
                    here -= left
                else:
                    while here >= low:
                        if visible_at[kept[here]] <= query_time[query]:
                            if left == 0:
                                break
                            left -= 1
                        here -= 1
                if here >= low:
                    place = kept[here]
            places[index, query] = place
