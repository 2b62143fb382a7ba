"""Categories in windows on the CPU: counts that follow what enters and leaves, and what can be kept beside them.

One sweep over the frames' moves keeps how often each category occurs. What a statistic needs more, it keeps in step: a
tournament of the counts for MODE, a linked list of the counts that occur for TOP_SHARE and ENTROPY, registers that
know every rank they hold, and so can lose one again, for DISTINCT_SKETCH.
"""

# ruff: noqa: PLR0917  # compiled loops take arrays, not objects

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from headrace_kernels.arrays import Statistic, StatisticRequest, WindowFrames
from headrace_kernels.cpu.jit import inlined, kernel
from headrace_kernels.dtypes import Codes, Floats, Hashes, Integers

_SKETCH_BITS = 12
_RANKS = 64 - _SKETCH_BITS
_DISTINCT, _SKETCH, _MODE, _TOP_SHARE = (
    int(Statistic.DISTINCT), int(Statistic.DISTINCT_SKETCH), int(Statistic.MODE), int(Statistic.TOP_SHARE),
)  # fmt: skip
_Counters: TypeAlias = npt.NDArray[np.int32]
_UNUSED: _Counters = np.zeros(0, dtype=np.int32)


def aggregate_categories(
    frames: WindowFrames,
    codes: Codes,
    values: Floats,
    hashes: Hashes,
    requests: Sequence[StatisticRequest],
    out: npt.NDArray[np.float64],
) -> None:
    """Write DISTINCT, DISTINCT_SKETCH, MODE, TOP_SHARE and ENTROPY of every window; see the reference for the policy.

    Complexity: O(moves + queries * requests), whatever the windows' length; with MODE a move costs log(n_codes), with
    ENTROPY or TOP_SHARE a query up to sqrt(2 * events) steps, with DISTINCT_SKETCH about 60.
    """
    asked = {request.statistic for request in requests}
    sketch, n_registers = Statistic.DISTINCT_SKETCH in asked, 1 << _SKETCH_BITS
    leaves = 1 << max(len(values) - 1, 0).bit_length()
    spread = bool(asked & {Statistic.TOP_SHARE, Statistic.ENTROPY})
    n_levels = int(np.diff(frames.events.groups.starts).max(initial=0)) + 2 if spread else 0
    registers, ranks = _split_hashes(hashes) if sketch else (_UNUSED, _UNUSED)
    _follow(
        frames.moves, frames.move_ends, codes, values,
        np.zeros(leaves, dtype=np.int32),
        _tournament(leaves) if Statistic.MODE in asked else _UNUSED,
        np.zeros((3, n_levels), dtype=np.int32),
        _logarithms(frames) if Statistic.ENTROPY in asked else np.zeros(0),
        registers, ranks,
        np.zeros((n_registers if sketch else 0, _RANKS + 2), dtype=np.int32),
        n_registers * n_registers / (2.0 * math.log(2.0)),
        np.array([request.statistic for request in requests], dtype=np.int64),
        np.array([request.parameter for request in requests], dtype=np.int64),
        np.array([request.empty for request in requests], dtype=np.float64),
        out,
    )  # fmt: skip


def _split_hashes(hashes: Hashes) -> tuple[_Counters, _Counters]:
    """Register and rank of each category: the first bits, and where the first 1 is among the others."""
    rest = hashes & np.uint64((1 << _RANKS) - 1)
    length = np.frexp(rest.astype(np.float64))[1]  # exact: fewer than 53 bits
    return (hashes >> np.uint64(_RANKS)).astype(np.int32), (_RANKS + 1 - length).astype(np.int32)


def _tournament(leaves: int) -> _Counters:
    """Winners of a tournament in which everyone has 0 points: the smallest code of each subtree."""
    levels = [np.arange(0, leaves, 1 << level, dtype=np.int32) for level in range(leaves.bit_length())]
    return np.concatenate([np.zeros(1, dtype=np.int32), *reversed(levels)])


def _logarithms(frames: WindowFrames) -> Floats:
    """Logarithms of all counts that a window can have; computed here, so that no two devices disagree."""
    most = int((frames.last - frames.first).max(initial=0)) + 1
    return np.array([0.0, *map(math.log, range(1, most + 1))], dtype=np.float64)


@kernel
def _follow(
    moves: Integers,
    move_ends: Integers,
    codes: Codes,
    values: Floats,
    counts: _Counters,
    tournament: _Counters,
    levels: npt.NDArray[np.int32],
    logarithms: Floats,
    registers: _Counters,
    ranks: _Counters,
    held: npt.NDArray[np.int32],
    sketch_scale: float,
    statistics: Integers,
    parameters: Integers,
    empty: Floats,
    out: npt.NDArray[np.float64],
) -> None:
    """Follow the moves and write every window's statistics.

    Args:
        moves: int64[n_moves].
        move_ends: int64[n_queries].
        codes: int32[n_events], -1 = null.
        values: float64[n_codes].
        counts: int32[n_leaves], zeros.
        tournament: int32[2 * n_leaves] or int32[0] without MODE.
        levels: int32[3, longest group + 2] or int32[3, 0], zeros: how many categories have each count, the next larger
            and the next smaller count that occurs, of 0 the smallest and the largest.
        logarithms: float64[most events + 1] or float64[0] without ENTROPY.
        registers: int32[n_codes] or int32[0] without DISTINCT_SKETCH.
        ranks: int32[n_codes].
        held: int32[n_registers, ranks + 2], zeros: categories of each register and rank; at rank 0 the largest one.
        sketch_scale: registers squared times the limit of alpha.
        statistics: int64[n_requests].
        parameters: int64[n_requests].
        empty: float64[n_requests].
        out: float64[n_requests, n_queries], result.
    """
    largest = np.zeros(_RANKS + 2, dtype=np.int64)  # registers by their largest rank
    largest[0] = len(held)
    done, events, distinct = 0, 0, 0
    for query in range(len(move_ends)):
        for index in range(done, move_ends[query]):
            entering = moves[index] >= 0
            code = codes[moves[index] if entering else ~moves[index]]
            if code < 0:
                continue
            before = counts[code]
            step = 1 if entering else -1
            counts[code] = before + step
            events += step
            if before + min(step, 0) == 0:  # 0 -> 1 or 1 -> 0
                distinct += step
                if len(held) > 0:
                    _change_register(held, largest, registers[code], ranks[code], step)
            if levels.shape[1] > 0:
                _change_level(levels, before, before + step)
            if len(tournament) > 0:
                _play(tournament, counts, code)
        done = move_ends[query]
        for row in range(len(statistics)):
            result = empty[row]
            if statistics[row] == _DISTINCT:
                result = distinct
            elif statistics[row] == _SKETCH:
                result = np.rint(sketch_scale / _harmonic(largest, len(held)))
            elif events > 0:
                if statistics[row] == _MODE:
                    result = values[tournament[1]]
                elif statistics[row] == _TOP_SHARE:
                    result = _top(levels, parameters[row]) / events
                else:
                    result = _spread(levels, logarithms, events) / events
            out[row, query] = result


@inlined
def _play(tournament: _Counters, counts: _Counters, code: int) -> None:
    """Play the matches of a code whose count changed; the smaller code wins a tie."""
    node = (len(counts) + code) >> 1
    while node > 0:
        winner, right = tournament[2 * node], tournament[2 * node + 1]
        if counts[right] > counts[winner]:
            winner = right
        if tournament[node] == winner and winner != code:
            break
        tournament[node] = winner
        node >>= 1


@inlined
def _change_level(levels: npt.NDArray[np.int32], old: int, new: int) -> None:
    """Move one category from a count to the neighbouring one; 0 is the list's end on both sides."""
    if new > 0:
        if levels[0, new] == 0:
            below = old if new > old else levels[2, old]
            above = levels[1, below]
            levels[1, below], levels[2, above] = new, new
            levels[1, new], levels[2, new] = above, below
        levels[0, new] += 1
    if old > 0:
        levels[0, old] -= 1
        if levels[0, old] == 0:
            below, above = levels[2, old], levels[1, old]
            levels[1, below], levels[2, above] = above, below


@inlined
def _top(levels: npt.NDArray[np.int32], wanted: int) -> int:
    """Events in the most frequent categories."""
    covered, count = 0, levels[2, 0]
    while count > 0 and wanted > 0:
        categories = min(wanted, levels[0, count])
        covered += categories * count
        wanted -= categories
        count = levels[2, count]
    return covered


@inlined
def _spread(levels: npt.NDArray[np.int32], logarithms: Floats, events: int) -> float:
    """Sum of count * (log events - log count), from the smallest count."""
    spread, count = 0.0, levels[1, 0]
    while count > 0:
        spread += np.float64(np.int64(levels[0, count]) * count) * (logarithms[events] - logarithms[count])
        count = levels[1, count]
    return spread


@inlined
def _change_register(held: npt.NDArray[np.int32], largest: Integers, register: int, rank: int, step: int) -> None:
    """Add a category to the sketch (step 1), or take it away (step -1)."""
    held[register, rank] += step
    top = held[register, 0]
    now = max(top, rank)
    while now > 0 and held[register, now] == 0:
        now -= 1
    if now != top:
        held[register, 0] = now
        largest[top] -= 1
        largest[now] += 1


@inlined
def _harmonic(largest: Integers, n_registers: int) -> float:
    """Ertl's denominator: his sigma of the registers at 0 and tau of the full ones, in place of any bias table."""
    x = 1.0 - largest[_RANKS + 1] / n_registers
    full = 0.0
    if 0.0 < x < 1.0:
        y, full, before = 1.0, 1.0 - x, -1.0
        while full != before:
            x, before, y = np.sqrt(x), full, 0.5 * y
            full -= (1.0 - x) * (1.0 - x) * y
        full /= 3.0
    z = n_registers * full
    for rank in range(_RANKS, 0, -1):
        z = 0.5 * (z + largest[rank])
    x = largest[0] / n_registers
    if x == 1.0:
        return np.inf
    y, none, before = 1.0, x, -1.0
    while none != before:
        x, before = x * x, none
        none += x * y
        y += y
    z += n_registers * none
    return float(z)
