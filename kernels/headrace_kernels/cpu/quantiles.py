"""Quantiles of windows on the CPU: ranks that enter and leave a tree of counts.

Every value has a rank among those of its key, found by one sort. The tree counts which ranks are inside: a move touches
one count a level, and the k-th smallest value is found from the root down. Neither depends on the window's length.
"""

# ruff: noqa: PLR0917  # compiled loops take arrays, not objects

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from headrace_kernels.arrays import StatisticRequest, ValueColumn, WindowFrames
from headrace_kernels.cpu.grouping import group_rows
from headrace_kernels.cpu.jit import inlined, kernel
from headrace_kernels.dtypes import Floats, Integers, Starts

_FAN_BITS = 3  # 8 counts of 4 bytes are read a level: half a cache line
_NULL, _NAN = -1, -2


def aggregate_quantiles(
    frames: WindowFrames, column: ValueColumn, requests: Sequence[StatisticRequest], out: npt.NDArray[np.float64]
) -> None:
    """Write quantiles of every window, interpolated between neighbours; see the reference for the policy.

    Complexity: O(n_events * log(n_events)) for the ranks, then O((moves + queries * requests) * log(events)), whatever
    the windows' length.
    """
    ranks, starts, ranked = _rank(frames, column)
    offsets = _level_offsets(len(ranked))
    with np.errstate(all="ignore"):
        _follow(
            frames.moves, frames.move_ends, frames.queries.groups.starts, ranks, starts, ranked,
            np.zeros(offsets[-1], dtype=np.int32), offsets,
            np.array([request.parameter for request in requests], dtype=np.float64),
            np.array([request.empty for request in requests], dtype=np.float64),
            out,
        )  # fmt: skip


def _rank(frames: WindowFrames, column: ValueColumn) -> tuple[Integers, Starts, Floats]:
    """Rank of each place (or null, or NaN), where each key's ranks begin, and the value of each rank."""
    values = column.values.astype(np.float64) + 0.0  # -0.0 becomes 0.0
    ranks = np.full(len(values), _NULL, dtype=np.int64)
    nan = np.isnan(values)
    ranks[nan] = _NAN
    if column.valid is not None:
        ranks[~column.valid] = _NULL
        nan |= ~column.valid
    places = np.flatnonzero(~nan)
    starts = frames.events.groups.starts
    codes = np.repeat(np.arange(len(starts) - 1, dtype=np.int32), np.diff(starts))
    ascending = places[np.argsort(values[places])].astype(np.int32)
    groups = group_rows(ascending, codes[ascending], 0, len(starts) - 1)
    ranks[groups.rows] = np.arange(len(groups.rows))
    return ranks, groups.starts, values[groups.rows]


def _level_offsets(n_ranks: int) -> Integers:
    """Where each level of the tree begins, the ranks' own level first; the last entry is their length together."""
    offsets, length = [0], max(n_ranks, 1)
    while True:
        offsets.append(offsets[-1] + length)
        if length <= 1 << _FAN_BITS:
            return np.array(offsets, dtype=np.int64)
        length = (length + (1 << _FAN_BITS) - 1) >> _FAN_BITS


@kernel
def _follow(
    moves: Integers,
    move_ends: Integers,
    query_starts: Starts,
    ranks: Integers,
    rank_starts: Starts,
    ranked: Floats,
    counts: npt.NDArray[np.int32],
    offsets: Integers,
    probabilities: Floats,
    empty: Floats,
    out: npt.NDArray[np.float64],
) -> None:
    """Follow the moves and write every window's quantiles.

    Args:
        moves: int64[n_moves].
        move_ends: int64[n_queries].
        query_starts: int64[n_keys + 1].
        ranks: int64[n_events], rank of each place among all keys' values, or null, or NaN.
        rank_starts: int64[n_keys + 1], where each key's ranks begin.
        ranked: float64[n_ranks], the values by rank.
        counts: int32[length of the tree], zeros.
        offsets: int64[n_levels + 1], where each level of the tree begins.
        probabilities: float64[n_requests].
        empty: float64[n_requests].
        out: float64[n_requests, n_queries], result.
    """
    done, inside, n_nan = 0, 0, 0
    for key in range(len(query_starts) - 1):
        for query in range(query_starts[key], query_starts[key + 1]):
            for index in range(done, move_ends[query]):
                step = 1 if moves[index] >= 0 else -1
                rank = ranks[moves[index] if step > 0 else ~moves[index]]
                if rank >= 0:
                    inside += step
                    for level in range(len(offsets) - 1):
                        counts[offsets[level] + (rank >> (level * _FAN_BITS))] += step
                elif rank == _NAN:
                    n_nan += step
            done = move_ends[query]
            for row in range(len(probabilities)):
                result = empty[row]
                if n_nan > 0:
                    result = np.nan
                elif inside > 0:
                    position = probabilities[row] * (inside - 1)
                    below = int(position)
                    fraction = position - below
                    rank = _find(counts, offsets, rank_starts[key], below)
                    result = ranked[rank]
                    if fraction > 0.0:
                        high = ranked[_next(counts, offsets, rank_starts[key], rank, below + 1)]
                        if high != result:
                            result = _between(result, high, fraction)
                out[row, query] = result


@inlined
def _find(counts: npt.NDArray[np.int32], offsets: Integers, begin: int, smaller: int) -> int:
    """Rank of the value that this many values inside are below; no rank inside comes before `begin`."""
    node = 0
    for level in range(len(offsets) - 2, -1, -1):
        node = max(node << _FAN_BITS, begin >> (level * _FAN_BITS))
        while counts[offsets[level] + node] <= smaller:
            smaller -= counts[offsets[level] + node]
            node += 1
    return node


@inlined
def _next(counts: npt.NDArray[np.int32], offsets: Integers, begin: int, rank: int, smaller: int) -> int:
    """Rank of the next value inside: beside the last one found, or found like it."""
    fan = 1 << _FAN_BITS
    for near in range(rank + 1, min((rank // fan + 1) * fan, offsets[1])):
        if counts[near] > 0:
            return near
    return _find(counts, offsets, begin, smaller)


@inlined
def _between(low: float, high: float, fraction: float) -> float:
    difference = high - low
    if np.isinf(difference):
        return low * (1.0 - fraction) + high * fraction
    if fraction >= 0.5:
        return high - difference * (1.0 - fraction)
    return low + difference * fraction
