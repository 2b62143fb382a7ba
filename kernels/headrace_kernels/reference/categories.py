"""Categories in windows: how many different ones, which is most frequent, how evenly they are spread."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from headrace_kernels.arrays import Statistic, StatisticRequest, WindowFrames
from headrace_kernels.dtypes import Codes, Floats, Hashes
from headrace_kernels.reference.membership import members

_SKETCH_BITS = 12
_RANKS = 64 - _SKETCH_BITS


def aggregate_categories(
    frames: WindowFrames,
    codes: Codes,
    values: Floats,
    hashes: Hashes,
    requests: Sequence[StatisticRequest],
    out: npt.NDArray[np.float64],
) -> None:
    """Write DISTINCT, DISTINCT_SKETCH, MODE, TOP_SHARE and ENTROPY of every window.

    With c[1] <= c[2] <= ... how often each category of a window occurs and N their sum: DISTINCT is how many there
    are; MODE the value of the most frequent, of several the one with the smallest code; TOP_SHARE the share in N of the
    `parameter` most frequent; ENTROPY is sum of c * (log N - log c) / N in nats, summed from the smallest c.
    DISTINCT_SKETCH is HyperLogLog with 4,096 registers, rounded to an integer: a standard error of 1.6 %, and nearly
    always exact below 100. It is what a mergeable sketch of the window's hashes says.

    Null policy: skipped. Empty: DISTINCT and DISTINCT_SKETCH are 0, the others the request's `empty`. Results depend on
    the window's categories alone. Error: DISTINCT, MODE none; TOP_SHARE one rounding; ENTROPY about 1e-15 * log N,
    never below 0, and 0 for one category. Complexity: O(queries x events).

    Reference: O. Ertl, "New cardinality estimation algorithms for HyperLogLog sketches", 2017, algorithm 6.

    Args:
        frames: windows.
        codes: int32[n_events], category by place in [0, n_codes), -1 = null.
        values: float64[n_codes], what MODE answers.
        hashes: uint64[n_codes], evenly spread hashes of the categories.
        requests: what to write into which row of `out`.
        out: float64[n_requests, n_queries], result.
    """
    for query, places in enumerate(members(frames)):
        counts = Counter(int(codes[place]) for place in places if codes[place] >= 0)
        for row, request in enumerate(requests):
            out[row, query] = _category_statistic(counts, values, hashes, request)


def _category_statistic(counts: Counter[int], values: Floats, hashes: Hashes, request: StatisticRequest) -> float:
    if request.statistic == Statistic.DISTINCT:
        return float(len(counts))
    if request.statistic == Statistic.DISTINCT_SKETCH:
        return _sketch([int(hashes[code]) for code in counts])
    if not counts:
        return request.empty
    if request.statistic == Statistic.MODE:
        return float(values[min(counts, key=lambda code: (-counts[code], code))])
    ascending, total = sorted(counts.values()), sum(counts.values())
    if request.statistic == Statistic.TOP_SHARE:
        return sum(ascending[-int(request.parameter) :]) / total
    frequency = Counter(ascending)
    spread = 0.0
    for count in sorted(frequency):
        spread += float(frequency[count] * count) * (math.log(total) - math.log(count))
    return spread / total


def _sketch(hashes: list[int]) -> float:
    registers = [0] * 2**_SKETCH_BITS
    for value in hashes:
        register, rest = value >> _RANKS, value & (2**_RANKS - 1)
        registers[register] = max(registers[register], _RANKS - rest.bit_length() + 1)
    frequency = Counter(registers)
    n_registers = float(2**_SKETCH_BITS)
    z = n_registers * _tau(1.0 - frequency[_RANKS + 1] / n_registers)
    for rank in range(_RANKS, 0, -1):
        z = 0.5 * (z + frequency[rank])
    z += n_registers * _sigma(frequency[0] / n_registers)
    return float(np.rint(n_registers * n_registers / (2.0 * math.log(2.0)) / z))


def _sigma(x: float) -> float:
    if x == 1.0:
        return math.inf
    y, z, before = 1.0, x, -1.0
    while z != before:
        x, before = x * x, z
        z += x * y
        y += y
    return z


def _tau(x: float) -> float:
    if x in {0.0, 1.0}:
        return 0.0
    y, z, before = 1.0, 1.0 - x, -1.0
    while z != before:
        x, before, y = math.sqrt(x), z, 0.5 * y
        z -= (1.0 - x) * (1.0 - x) * y
    return z / 3.0
