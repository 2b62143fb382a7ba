"""Value columns on the device, ready for the sums and extremes of any windows over them.

Nothing is computed before it is asked for, and nothing twice. Bytes moved an event: 8 to 10 to look at the values; 24
for prefix sums, 40 with squares; 10 to 34 for marks, where a value is null, NaN or infinite; 24 for counts above a
threshold. Kept an event: 8 for sums, 16 for squares, 1 for kinds, 8 to 32 for marks, 8 a threshold.
"""

from __future__ import annotations

import math
from functools import cached_property

import numpy as np

from headrace_kernels.arrays import ValueColumn
from headrace_kernels.cuda import device, scan
from headrace_kernels.cuda.device import DeviceArray
from headrace_kernels.cuda.scaling import Facts, ScaledColumn, examine
from headrace_kernels.cuda.source import Source
from headrace_kernels.cuda.tiles import ExtremeTiles
from headrace_kernels.cuda.windows import bits_of

SOURCE = Source("summed_columns")


class SummedColumn:
    """A value column, ready for the sums and extremes of any windows over it.

    For one thread, and its stream: what is kept was computed on the stream that asked first.

    Attributes:
        column: the values, by place, on the device.
    """

    def __init__(self, column: ValueColumn) -> None:
        self.column = column
        self._sums: tuple[DeviceArray, DeviceArray | None] | None = None
        self._above: dict[float, DeviceArray] = {}
        self._tiles: dict[bool, ExtremeTiles] = {}

    @property
    def facts(self) -> Facts:
        """What the column holds."""
        return self._examined[0]

    @property
    def kinds(self) -> DeviceArray | None:
        """int8[n_events]: 0 null, 1 finite, 2 NaN, 3 +Inf, 4 -Inf; None where all are finite."""
        if self.column.valid is None and self.column.values.dtype.kind == "i":
            return None
        return self._examined[1]

    @cached_property
    def _examined(self) -> tuple[Facts, DeviceArray | None]:
        """Facts, and the kinds of a column that is not plain."""
        always_plain = self.column.valid is None and self.column.values.dtype.kind == "i"
        kinds = None if always_plain else device.empty(len(self.column.values), np.int8)
        facts = examine(self.column, self.column.valid, kinds)
        return facts, None if facts.plain else kinds

    @cached_property
    def marks(self) -> DeviceArray | None:
        """Prefix counts of values that are not null, NaN, +Inf, -Inf: int64[4, n_events + 1].

        The first row alone, where no value is NaN or infinite; None where all are finite.
        """
        if self.kinds is None:
            return None
        n_events, n_rows = len(self.kinds), 4 if self.facts.infinite else 1
        tiles = scan.n_tiles(n_events)
        packed, totals = device.empty(tiles, np.uint64), device.empty((n_rows, tiles), np.uint64)
        SOURCE.launch_blocks("total_marks", tiles, self.kinds, n_events, n_rows, tiles, packed, totals)
        offsets = scan.prefix_sums(totals.view(np.int64).reshape(n_rows * tiles))  # of a row: since its first
        marks = device.empty((n_rows, n_events + 1), np.int64)
        SOURCE.launch_blocks("scan_marks", tiles, self.kinds, n_events, n_rows, tiles, offsets, marks)
        return marks

    @cached_property
    def scaled(self) -> ScaledColumn:
        """The values as integers."""
        return ScaledColumn(self.column, self.column.valid, self.facts)

    def sums(self, *, squared: bool) -> tuple[DeviceArray, DeviceArray | None]:
        """Prefix sums of the integers, modulo 2**64, and of their squares, modulo 2**128.

        Args:
            squared: whether squares are wanted; None stands for them where they are not, and never were.

        Returns:
            int64[n_events + 1], and uint64[n_events + 1, 2], low and high half of each.
        """
        if self._sums is None or (squared and self._sums[1] is None):
            self._sums = self._accumulate(squared=squared)
        return self._sums

    def _accumulate(self, *, squared: bool) -> tuple[DeviceArray, DeviceArray | None]:
        n_events = len(self.column.values)
        if not n_events:
            return device.zeros(1, np.int64), device.zeros((1, 2), np.uint64)
        arguments, tiles = self.scaled.arguments(), scan.n_tiles(n_events)
        totals = device.empty(tiles, np.uint64)
        square_totals = device.empty((tiles, 2), np.uint64) if squared else None
        SOURCE.launch_blocks("total_integers", tiles, *arguments, totals, square_totals)
        offsets = scan.prefix_sums(totals.view(np.int64))
        square_offsets = scan.pair_offsets(square_totals) if squared else None
        sums = device.empty(n_events + 1, np.int64)
        squares = device.empty((n_events + 1, 2), np.uint64) if squared else None
        SOURCE.launch_blocks("scan_integers", tiles, *arguments, offsets, square_offsets, sums, squares)
        return sums, squares

    def above(self, threshold: float) -> DeviceArray:
        """Prefix counts of the values greater than a threshold: int64[n_events + 1]."""
        if threshold not in self._above:
            self._above[threshold] = self._count_above(threshold)
        return self._above[threshold]

    def _count_above(self, threshold: float) -> DeviceArray:
        n_events = len(self.column.values)
        if not n_events:
            return device.zeros(1, np.int64)
        values, integral = bits_of(self.column.values)
        whole = min(max(math.floor(threshold), -(2**63)), 2**63 - 1) if integral else 0
        arguments = values, integral, self.kinds, n_events, threshold, whole
        totals = device.empty(scan.n_tiles(n_events), np.uint64)
        SOURCE.launch_blocks("total_above", len(totals), *arguments, totals)
        counts = device.empty(n_events + 1, np.int64)
        offsets = scan.prefix_sums(totals.view(np.int64))
        SOURCE.launch_blocks("scan_above", len(totals), *arguments, offsets, counts)
        return counts

    def tiles(self, longest: int, *, largest: bool) -> ExtremeTiles:
        """Extremes of tiles, for windows of up to so many places.

        Args:
            longest: places of the longest window.
            largest: whether largest values are sought, not smallest ones.
        """
        if largest not in self._tiles:
            self._tiles[largest] = ExtremeTiles(self.column, self.kinds, largest=largest)
        self._tiles[largest].reach(longest)
        return self._tiles[largest]
