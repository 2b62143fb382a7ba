"""Category sets too wide for a tree node, as a table the graph looks up before the trees run.

ONNX Runtime tests membership in a set of numbers up to 30 with one bit mask, and in any other set with a hash table:
65 ns a node, which made forests over 200 categories five times slower than LightGBM. So wide sets become bits beside
the input: for each feature a table with a row a category and a byte a column, four sets to a byte. A node then asks
whether its byte is one of the eight numbers with its bit: a mask again.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from headrace.packaging.export.forest import Int64s

HIGHEST_IN_MASK = 30
TABLE_LIMIT_BYTES = 1 << 26  # a feature whose table would be larger keeps its hash tables
_SETS_PER_BYTE = 4
_BYTES = np.arange(1 << _SETS_PER_BYTE)


@dataclass(frozen=True)
class SetTable:
    """The wide sets of one feature.

    Attributes:
        feature: its position in the model input.
        bits: uint8[highest + 2, n_columns]; row 0 is for no category, row c + 1 for category c.
        numbers: number of each set, by its members' bytes; set s is bit s % 4 of column s // 4.
    """

    feature: int
    bits: npt.NDArray[np.uint8]
    numbers: dict[bytes, int]

    def find(self, members: Int64s) -> tuple[int, Int64s] | None:
        """Column of a set and the byte values that mean membership; None for a set that is not in the table."""
        number = self.numbers.get(members.tobytes())
        if number is None:
            return None
        column, bit = divmod(number, _SETS_PER_BYTE)
        return column, _BYTES[(_BYTES >> bit) & 1 == 1]


def build_set_table(feature: int, sets: Iterable[Int64s]) -> SetTable | None:
    """Collect the wide ones of a feature's sets; None if there are none, or if the table would be too large.

    Args:
        feature: position in the model input.
        sets: members of each split, ascending, all >= 0; repetitions are stored once.
    """
    wide = {members.tobytes(): members for members in sets if len(members) and members[-1] > HIGHEST_IN_MASK}
    highest = max((int(members[-1]) for members in wide.values()), default=0)
    columns = -(-len(wide) // _SETS_PER_BYTE)
    if not wide or (highest + 2) * columns > TABLE_LIMIT_BYTES:
        return None
    bits = np.zeros((highest + 2, columns), dtype=np.uint8)
    for number, members in enumerate(wide.values()):
        column, bit = divmod(number, _SETS_PER_BYTE)
        bits[members + 1, column] |= 1 << bit
    return SetTable(feature, bits, {key: number for number, key in enumerate(wide)})
