"""Covariance, correlation and slope of windows, in plain Python integers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from headrace_kernels.arrays import ExactRangeError, Statistic, StatisticRequest, ValueColumn, WindowFrames
from headrace_kernels.reference import exact
from headrace_kernels.reference.membership import members


def aggregate_pairs(
    frames: WindowFrames,
    left: ValueColumn,
    right: ValueColumn | None,
    requests: Sequence[StatisticRequest],
    out: npt.NDArray[np.float64],
) -> None:
    """Write COV, CORR, SLOPE or TREND of every window.

    Values become integers at their column's resolution. With C(x, y) = n * sum(x * y) - sum(x) * sum(y), exact and then
    rounded to float64: COV is C(l, r) / (n * (n - 1)), SLOPE (least squares of left on right) C(l, r) / C(r, r), TREND
    the slope of left on the event's time in units per second, CORR C(l, r) / sqrt(C(l, l) * C(r, r)), within [-1, 1].

    Null policy: an event with a null on either side is skipped. NaN or Inf on a side of any other event: NaN. Empty:
    fewer than two pairs, or no variance where one is divided by: the request's `empty`. Error: no cancellation, two or
    three roundings to float64 after the exact part. Complexity: O(queries x events).

    Args:
        frames: windows.
        left: values by place, explained.
        right: values by place, explaining; None for TREND, which takes the time.
        requests: what to write into which row of `out`.
        out: float64[n_requests, n_queries], result.

    Raises:
        ExactRangeError: a value, a sum or n * (largest - smallest) of a window does not fit the exact range; its
            `column` is 0 for left, 1 for right and the time.
    """
    for query, places in enumerate(members(frames)):
        kept = [place for place in places if _valid(left, place) and (right is None or _valid(right, place))]
        pairs = _pairs(frames, left, right, kept)
        for row, request in enumerate(requests):
            out[row, query] = math.nan if pairs is None else _statistic(pairs, request)


@dataclass(frozen=True)
class _Pairs:
    """Exact pairs of one window; `right_unit` is the size of a step of `right`."""

    left: list[int]
    right: list[int]
    left_unit: float
    right_unit: float

    def product(self, x: list[int], y: list[int]) -> int:
        """Exact n * sum(x * y) - sum(x) * sum(y)."""
        return len(x) * sum(a * b for a, b in zip(x, y, strict=True)) - sum(x) * sum(y)


def _statistic(pairs: _Pairs, request: StatisticRequest) -> float:
    if len(pairs.left) < 2:
        return request.empty
    both = float(pairs.product(pairs.left, pairs.right))
    if request.statistic == Statistic.COV:
        count = len(pairs.left)
        return both / float(count * (count - 1)) * (pairs.left_unit * pairs.right_unit)
    lefts, rights = pairs.product(pairs.left, pairs.left), pairs.product(pairs.right, pairs.right)
    if rights == 0 or (request.statistic == Statistic.CORR and lefts == 0):
        return request.empty
    if request.statistic == Statistic.CORR:
        return max(-1.0, min(1.0, both / math.sqrt(float(lefts) * float(rights))))
    slope = both / float(rights) * (pairs.left_unit / pairs.right_unit)
    return slope * 1e6 if request.statistic == Statistic.TREND else slope


def _pairs(frames: WindowFrames, left: ValueColumn, right: ValueColumn | None, kept: list[int]) -> _Pairs | None:
    """The pairs of a window; None where one is not finite: such a pair is not rounded, and may hold anything."""
    finite = [place for place in kept if _is_finite(left, place) and (right is None or _is_finite(right, place))]
    lefts = _integers(left, finite, 0)
    rights = _integers(right, finite, 1) if right else [int(frames.events.time[place]) for place in finite]
    for column, values in enumerate((lefts, rights)):
        if len(values) * (max(values, default=0) - min(values, default=0)) >= 2 * exact.LIMIT:
            raise ExactRangeError(f"{len(values)} values up to {max(values)} leave the exact range", column)
    if len(finite) < len(kept):
        return None
    return _Pairs(lefts, rights, 2.0**-left.bits, 2.0**-right.bits if right else 1.0)


def _integers(column: ValueColumn, places: list[int], index: int) -> list[int]:
    values = [column.values[place].item() for place in places]
    try:
        return [exact.to_integer(value, column.bits) for value in values]
    except OverflowError as error:
        raise ExactRangeError(str(error), index) from error


def _is_finite(column: ValueColumn, place: int) -> bool:
    return math.isfinite(column.values[place])


def _valid(column: ValueColumn, place: int) -> bool:
    return column.valid is None or bool(column.valid[place])
