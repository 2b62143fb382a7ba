"""Values as integers: multiples of their column's resolution, rounded once; and whether exact sums of them hold.

What a window may hold is a matter of that window alone: neither other keys nor events that nobody sees yet can turn an
answer into an error. A bucket is looked at as a whole first, and window by window only where that does not settle it.
"""

# ruff: noqa: PLR0917  # compiled loops take arrays, not objects

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from headrace_kernels.arrays import ExactRangeError, ValueColumn, WindowFrames
from headrace_kernels.cpu.jit import kernel, wrapping
from headrace_kernels.dtypes import Flags, Floats, Integers, Positions, Times

_SUM_LIMIT = 2**63
_SPREAD_LIMIT = 2**64
_VALUE_LIMIT = 9223372036854775808.0


@dataclass(frozen=True)
class ScaledColumn:
    """A column's values as integers.

    Attributes:
        column: the values, by place.
        kept: bool[n_events], finite values; bool[0] where all are.
        integers: int64[n_events], multiples of the resolution, ties to even; 0 where not kept or unfit.
        fits: bool[n_events], False where a value does not fit 64 bits; bool[0] where all do.
        largest: largest magnitude of `integers`.
    """

    column: ValueColumn
    kept: Flags
    integers: Integers
    fits: Flags
    largest: int

    def check_sums(self, frames: WindowFrames) -> None:
        """Refuse windows in which (values) * (largest magnitude) reaches 2**63: their sums may leave 64 bits.

        Raises:
            ExactRangeError: there is such a window, or one with a value that does not fit.
        """
        if not len(self.fits) and _most_events(frames) * self.largest < _SUM_LIMIT:
            return
        counts, lows, highs = self._survey(frames, 0)
        sizes = np.maximum(highs, 0).view(np.uint64)
        sizes = np.maximum(sizes, np.negative(np.minimum(lows, 0)).view(np.uint64))
        beyond = sizes > np.uint64(_SUM_LIMIT - 1) // np.maximum(counts, 1).view(np.uint64)
        if beyond.any():
            window = int(np.argmax(beyond))
            raise ExactRangeError(
                f"{counts[window]} events in a window, with values up to {float(sizes[window]) * self._unit:g}, leave "
                f"the exact range of sums at a resolution of 2**{-self.column.bits}"
            )

    def check_spreads(self, frames: WindowFrames, index: int) -> None:
        """Refuse windows in which (values) * (largest - smallest value) reaches 2**64: products may leave 128 bits.

        Raises:
            ExactRangeError: there is such a window, or one with a value that does not fit.
        """
        if not len(self.fits) and _most_events(frames) * 2 * self.largest < _SPREAD_LIMIT:
            return
        counts, lows, highs = self._survey(frames, index)
        spreads = np.where(counts > 0, highs.view(np.uint64) - lows.view(np.uint64), np.uint64(0))
        beyond = spreads > np.uint64(_SPREAD_LIMIT - 1) // np.maximum(counts, 1).view(np.uint64)
        if beyond.any():
            window = int(np.argmax(beyond))
            raise ExactRangeError(
                f"{counts[window]} events in a window, with values from {lows[window] * self._unit:g} to "
                f"{highs[window] * self._unit:g}, leave the exact range of covariances at a resolution of "
                f"2**{-self.column.bits}",
                index,
            )

    @property
    def _unit(self) -> float:
        return 2.0**-self.column.bits

    def _survey(self, frames: WindowFrames, index: int) -> tuple[Integers, Integers, Integers]:
        counts, lows, highs = (np.empty(len(frames.first), dtype=np.int64) for _ in range(3))
        misfit = _survey(
            frames.first, frames.last, frames.extra, frames.events.visible_at, frames.queries.time, self.kept,
            self.integers, self.fits, counts, lows, highs,
        )  # fmt: skip
        if misfit >= 0:
            raise ExactRangeError(
                f"the value {self.column.values[misfit].item()!r} does not fit 64 bits at a resolution of "
                f"2**{-self.column.bits}",
                index,
            )
        return counts, lows, highs


def scale_column(column: ValueColumn, kept: Flags) -> ScaledColumn:
    """Turn values into integers. Complexity: O(n).

    Args:
        column: the values, by place.
        kept: bool[n_events], finite values; bool[0] where all are.
    """
    n_events = len(column.values)
    if column.values.dtype.kind == "i":
        integers: Integers = column.values.astype(np.int64, copy=False)
        if len(kept):
            integers = np.where(kept, integers, 0)
        largest = max(-int(integers.min()), int(integers.max())) if n_events else 0
        return ScaledColumn(column, kept, integers, kept[:0], largest)
    integers = np.empty(n_events, dtype=np.int64)
    fits: npt.NDArray[np.bool_] = np.ones(n_events, dtype=np.bool_)
    with wrapping():
        all_fit, size = _scale(column.values.astype(np.float64, copy=False), kept, 2.0**column.bits, integers, fits)
    return ScaledColumn(column, kept, integers, fits[:0] if all_fit else fits, int(size))


def _most_events(frames: WindowFrames) -> int:
    if not len(frames.first):
        return 0
    return int((frames.last - frames.first).max()) + (1 if len(frames.extra) else 0)


@kernel
def _scale(values: Floats, kept: Flags, factor: float, integers: Integers, fits: Flags) -> tuple[bool, float]:
    """Whether every value fits; largest magnitude of those that do."""
    all_fit, largest = True, 0.0
    for place in range(len(values)):
        integers[place] = 0
        if len(kept) > 0 and not kept[place]:
            continue
        step = np.rint(values[place] * factor)
        size = abs(step)
        if size >= _VALUE_LIMIT:
            fits[place] = False
            all_fit = False
        else:
            integers[place] = np.int64(step)
            largest = max(largest, size)
    return all_fit, largest


@kernel
def _survey(
    first: Positions,
    last: Positions,
    extra: Positions,
    visible_at: Times,
    query_time: Times,
    kept: Flags,
    integers: Integers,
    fits: Flags,
    counts: Integers,
    lows: Integers,
    highs: Integers,
) -> int:
    """Number, smallest and largest of the values of each window; the place of one that does not fit, or -1."""
    for query in range(len(first)):
        count, low, high = 0, np.int64(9223372036854775807), np.int64(-9223372036854775808)
        own = extra[query] if len(extra) > 0 else -1
        for step in range(first[query], last[query] + 1):
            place = step if step < last[query] else own
            if place < 0 or (step < last[query] and visible_at[place] > query_time[query]):
                continue
            if len(kept) > 0 and not kept[place]:
                continue
            if len(fits) > 0 and not fits[place]:
                return place
            count += 1
            low, high = min(low, integers[place]), max(high, integers[place])
        counts[query], lows[query], highs[query] = count, low if count > 0 else 0, high if count > 0 else 0
    return -1
