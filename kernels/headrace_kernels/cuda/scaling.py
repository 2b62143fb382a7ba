"""Values as integers on the device, and whether exact sums of them hold; see the CPU's module for what may be refused.

Values are scaled where they are read: 8 bytes a value, and nothing is written unless `integers` is asked for.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from headrace_kernels.arrays import ExactRangeError, ValueColumn, WindowFrames
from headrace_kernels.cuda import device
from headrace_kernels.cuda.device import DeviceArray
from headrace_kernels.cuda.scan import n_tiles
from headrace_kernels.cuda.source import Source
from headrace_kernels.cuda.survey import first_beyond
from headrace_kernels.cuda.windows import bits_of

SOURCE = Source("scaling")
_SUM_LIMIT = 2**63
_SPREAD_LIMIT = 2**64
_NOT_FINITE, _IS_NULL, _UNFIT = 1, 2, 4


@dataclass(frozen=True)
class Facts:
    """What a column holds.

    Attributes:
        plain: whether every value is kept and finite.
        infinite: whether a kept value is NaN or infinite.
        fits: whether every value fits 64 bits at the column's resolution.
        largest: largest magnitude of the values' integers.
    """

    plain: bool
    infinite: bool
    fits: bool
    largest: int


@dataclass(frozen=True)
class ScaledColumn:
    """A column's values as integers.

    Attributes:
        column: the values, by place, on the device.
        kept: bool[n_events], values that count, or None where all do; NaN and infinite values never do.
        facts: what it holds.
    """

    column: ValueColumn
    kept: DeviceArray | None
    facts: Facts

    @cached_property
    def integers(self) -> DeviceArray:
        """int64[n_events], multiples of the resolution, ties to even; 0 where not kept or unfit."""
        integers = device.empty(len(self.column.values), np.int64)
        SOURCE.launch("scale_values", len(integers), *self.arguments(), integers)
        return integers

    @property
    def unit(self) -> float:
        """What one step of the integers is worth."""
        return 2.0**-self.column.bits

    def arguments(self) -> tuple[Any, ...]:
        """What kernels scale by: values, integral, kept, n, factor."""
        return *bits_of(self.column.values), self.kept, len(self.column.values), 2.0**self.column.bits

    def check_sums(self, frames: WindowFrames) -> None:
        """Refuse windows in which (values) * (largest magnitude) reaches 2**63: their sums may leave 64 bits.

        Complexity: O(1) where the column as a whole cannot reach it, O(queries) where its longest window cannot, else
        as `first_beyond`.

        Raises:
            ExactRangeError: there is such a window, or one with a value that does not fit.
        """
        if self._is_below(frames, self.facts.largest, _SUM_LIMIT):
            return
        window = self._first_beyond(frames, 0, spreads=False)
        if window is not None:
            count, low, high = window
            raise ExactRangeError(
                f"{count} events in a window, with values up to {float(max(high, -low)) * self.unit:g}, leave "
                f"the exact range of sums at a resolution of 2**{-self.column.bits}"
            )

    def check_spreads(self, frames: WindowFrames, index: int) -> None:
        """Refuse windows in which (values) * (largest - smallest value) reaches 2**64: products may leave 128 bits.

        Complexity: as `check_sums`.

        Raises:
            ExactRangeError: there is such a window, or one with a value that does not fit.
        """
        if self._is_below(frames, 2 * self.facts.largest, _SPREAD_LIMIT):
            return
        window = self._first_beyond(frames, index, spreads=True)
        if window is not None:
            count, low, high = window
            raise ExactRangeError(
                f"{count} events in a window, with values from {low * self.unit:g} to {high * self.unit:g}, leave the "
                f"exact range of covariances at a resolution of 2**{-self.column.bits}",
                index,
            )

    def _is_below(self, frames: WindowFrames, size: int, limit: int) -> bool:
        """Whether so many values of that size stay below a limit in every window, without looking at them."""
        if not self.facts.fits:
            return False
        return len(self.column.values) * size < limit or most_events(frames) * size < limit

    def _first_beyond(self, frames: WindowFrames, index: int, *, spreads: bool) -> tuple[int, int, int] | None:
        """Number, smallest and largest of the values of the first window that goes beyond the exact range."""
        window = first_beyond(frames, self.arguments(), most_events(frames), spreads=spreads)
        if window is not None and window.unfit is not None:
            value = device.get(self.column.values[window.unfit : window.unfit + 1])[0].item()
            raise ExactRangeError(
                f"the value {value!r} does not fit 64 bits at a resolution of 2**{-self.column.bits}", index
            )
        return None if window is None else (window.count, window.low, window.high)


def examine(column: ValueColumn, kept: DeviceArray | None, kinds: DeviceArray | None = None) -> Facts:
    """Find what a column holds. Complexity: O(n), 8 to 10 bytes a value, and waits for the device.

    Args:
        column: the values, by place.
        kept: bool[n_events], values that count, or None where all do.
        kinds: int8[n_events], result, as in `SummedColumn`; None where nobody asks.
    """
    found, n_events = device.zeros(2, np.uint64), len(column.values)
    values, integral = bits_of(column.values)
    factor = 2.0**column.bits
    SOURCE.launch_blocks("examine", n_tiles(n_events), values, integral, kept, n_events, factor, kinds, found)
    flags, largest = (int(fact) for fact in device.get(found))
    infinite = bool(flags & _NOT_FINITE)
    return Facts(not infinite and not flags & _IS_NULL, infinite, not flags & _UNFIT, largest)


def scale_column(column: ValueColumn, kept: DeviceArray | None) -> ScaledColumn:
    """Turn values into integers, as `examine` takes them."""
    return ScaledColumn(column, kept, examine(column, kept))


def longest_range(frames: WindowFrames) -> int:
    """Places of the longest window. Complexity: O(queries), 16 bytes a query, and waits for the device."""
    longest, n_queries = device.zeros(1, np.uint64), len(frames.first)
    SOURCE.launch_blocks("longest_range", n_tiles(n_queries), frames.first, frames.last, n_queries, longest)
    return int(device.get(longest)[0])


def most_events(frames: WindowFrames) -> int:
    """No window has more events than this."""
    return longest_range(frames) + (1 if len(frames.extra) else 0) if len(frames.first) else 0
