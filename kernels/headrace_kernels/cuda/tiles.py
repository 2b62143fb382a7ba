"""Extremes of stretches of 16 places, and of runs of tiles of so many: those of any window are put together from them.

References: M. van Herk, "A fast algorithm for local minimum and maximum filters on rectangular and octagonal kernels",
1992; M. Bender, M. Farach-Colton, "The LCA problem revisited", 2000, section 3 (sparse tables).
"""

from __future__ import annotations

import numpy as np

from headrace_kernels.arrays import ValueColumn
from headrace_kernels.cuda import device
from headrace_kernels.cuda.device import DeviceArray
from headrace_kernels.cuda.source import Source
from headrace_kernels.cuda.windows import bits_of

SOURCE = Source("tiles")
TILE = 16
"""Places of a tile, as in tiles.cuh."""


class ExtremeTiles:
    """Smallest or largest values of stretches of a column.

    Building moves 16 to 17 bytes an event, a level of the table 1.5. Kept: 8 bytes an event, and half a byte a level:
    16 bytes in all for windows of 2**20 events.

    Attributes:
        stretches: int64[n_events], extreme of the 16 values from each place on, as far as there are so many; as an
            integer that orders as the values do. Largest values are flipped, so that less comes first here too.
        n_tiles: whole tiles.
        table: int64[levels, n_tiles], extremes of 2**level tiles from each on, as far as there are so many.
    """

    def __init__(self, column: ValueColumn, kinds: DeviceArray | None, *, largest: bool) -> None:
        n_events = len(column.values)
        self.n_tiles = n_events // TILE
        self.stretches = device.empty(n_events, np.int64)
        self.table: DeviceArray | None = None
        values, integral = bits_of(column.values)
        flip = -1 if largest else 0
        SOURCE.launch("build_stretches", n_events, values, integral, kinds, n_events, flip, self.stretches)

    def reach(self, longest: int) -> None:
        """Have levels enough for windows of so many places; what is there is built anew where they are too few."""
        levels = max(longest // TILE, 1).bit_length()  # no window holds more whole tiles
        if self.table is not None and len(self.table) >= levels:
            return
        self.table = None  # before the next one is taken
        self.table = device.empty((levels, self.n_tiles), np.int64)
        SOURCE.launch("first_level", self.n_tiles, self.stretches, self.n_tiles, self.table)
        for level in range(1, levels):
            SOURCE.launch("next_level", self.n_tiles, level, self.n_tiles, self.table)

    @property
    def arguments(self) -> tuple[DeviceArray | None, ...]:
        """What kernels read: stretches, table."""
        return self.stretches, self.table
