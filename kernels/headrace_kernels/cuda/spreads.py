"""Whether the exact sums of pairs hold in every window, on the device; the CPU's `scaling.py` says the same.

The largest magnitude of a column and the most events of a window settle it as a rule, in one pass over the values.
Where they do not, each window is asked for its smallest and largest value, in a tree with 32 children a node: one byte
an event of memory, O(log(events)) a window where visibility is ordered, else O(events of the window).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from headrace_kernels.arrays import ExactRangeError, ValueColumn, WindowFrames
from headrace_kernels.cuda import device
from headrace_kernels.cuda.device import DeviceArray
from headrace_kernels.cuda.requests import column_arguments, window_arguments
from headrace_kernels.cuda.source import Source

SOURCE = Source("spreads")
_FAN = 32
_SPREAD_LIMIT = 2**64
_TIME_LIMIT = 0.999 * 2**64


@dataclass(frozen=True)
class WindowMeasures:
    """Of some frames.

    Attributes:
        most_events: of a window, its own event with them.
        products: float64[n_queries], (events) * (microseconds from the oldest to the newest); None where not asked for.
        largest_product: of them.
    """

    most_events: int
    products: DeviceArray | None
    largest_product: float


def measure_windows(frames: WindowFrames, *, with_times: bool) -> WindowMeasures:
    """Measure all windows; waits for the device. Complexity: O(queries), 24 to 48 bytes each.

    Args:
        frames: windows.
        with_times: whether their times matter.
    """
    n_queries, found = len(frames.first), device.zeros(2, np.uint64)
    products = device.empty(n_queries, np.float64) if with_times else None
    extra, time = frames.extra if len(frames.extra) else None, frames.events.time if with_times else None
    SOURCE.launch(
        "measure_windows", n_queries, frames.first, frames.last, extra, n_queries, time, found, products
    )  # fmt: skip
    numbers = device.get(found)
    return WindowMeasures(int(numbers[0]), products, float(numbers.view(np.float64)[1]))


def check_times(frames: WindowFrames, measures: WindowMeasures) -> None:
    """Refuse windows whose times leave the exact range.

    Raises:
        ExactRangeError: there is such a window.
    """
    if not measures.largest_product > _TIME_LIMIT:
        return
    n_queries = len(frames.first)
    found = device.put(np.array([n_queries], dtype=np.int64))
    SOURCE.launch("find_product", n_queries, measures.products, n_queries, measures.largest_product, found)
    window = int(device.get(found)[0])
    sizes = [device.get(each[window : window + 1]) for each in (frames.last, frames.first)]
    longest = int(sizes[0][0] - sizes[1][0])
    if len(frames.extra):
        longest += int(device.get(frames.extra[window : window + 1])[0] >= 0)
    raise ExactRangeError(f"the times of a window of {longest} events leave the exact range of trends", 1)


@dataclass(frozen=True)
class ScaledValues:
    """A column's values as integers.

    Attributes:
        column: the values, by place.
        kinds: int8[n_events], 1 where a value counts.
        integers: int64[n_events], multiples of the resolution; 0 where a value does not count or fit.
        largest: largest magnitude of `integers`.
        all_fit: whether every value that counts fits 64 bits.
    """

    column: ValueColumn
    kinds: DeviceArray
    integers: DeviceArray
    largest: int
    all_fit: bool

    def check_spreads(self, frames: WindowFrames, index: int, most_events: int) -> None:
        """Refuse windows in which (values) * (largest - smallest value) reaches 2**64: products may leave 128 bits.

        Args:
            frames: windows.
            index: which of the kernel's columns this is.
            most_events: of a window.

        Raises:
            ExactRangeError: there is such a window, or one with a value that does not fit.
        """
        if self.all_fit and most_events * 2 * self.largest < _SPREAD_LIMIT:
            return
        nodes, levels = self._tree()
        n_queries = len(frames.first)
        counts, lows, highs = (device.empty(n_queries, np.int64) for _ in range(3))
        found = device.put(np.full(2, n_queries, dtype=np.int64))
        SOURCE.launch(
            "survey_windows", n_queries, *window_arguments(frames), *self._arguments, nodes, device.put(levels),
            len(levels), counts, lows, highs, found,
        )  # fmt: skip
        misfit, beyond = (int(query) for query in device.get(found))
        unit = 2.0**-self.column.bits
        if misfit < n_queries:
            value = self._first_misfit(frames, misfit)
            raise ExactRangeError(
                f"the value {value!r} does not fit 64 bits at a resolution of 2**{-self.column.bits}", index
            )
        if beyond < n_queries:
            count, low, high = (device.get(each[beyond : beyond + 1])[0] for each in (counts, lows, highs))
            raise ExactRangeError(
                f"{count} events in a window, with values from {low * unit:g} to {high * unit:g}, leave the exact "
                f"range of covariances at a resolution of 2**{-self.column.bits}",
                index,
            )

    @property
    def _arguments(self) -> tuple[DeviceArray, DeviceArray, DeviceArray, float]:
        return self.kinds, self.integers, column_arguments(self.column)[0], 2.0**self.column.bits

    def _tree(self) -> tuple[DeviceArray, np.ndarray[tuple[int], np.dtype[np.int64]]]:
        """All nodes, (count, smallest, largest, misfits) each, the leaves first; where each level begins."""
        below, sizes = len(self.integers), [-(-len(self.integers) // _FAN)]
        while sizes[-1] > _FAN:
            sizes.append(-(-sizes[-1] // _FAN))
        begins = np.cumsum([0, *sizes[:-1]], dtype=np.int64)
        nodes = device.empty((sum(sizes), 4), np.int64)
        SOURCE.launch("range_leaves", sizes[0], *self._arguments, below, sizes[0], nodes)
        for level in range(1, len(sizes)):
            lower, upper = nodes[int(begins[level - 1]) : int(begins[level])], nodes[int(begins[level]) :]
            SOURCE.launch("range_nodes", sizes[level], lower, sizes[level - 1], sizes[level], upper)
        return nodes, begins

    def _first_misfit(self, frames: WindowFrames, query: int) -> float:
        place = device.zeros(1, np.int64)
        SOURCE.launch("find_misfit", 1, *window_arguments(frames)[:5], query, *self._arguments, place, threads=32)
        found = int(device.get(place)[0])
        value: float = device.get(self.column.values[found : found + 1])[0].item()
        return value
