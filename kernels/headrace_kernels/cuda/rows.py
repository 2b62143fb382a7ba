"""Move rows on the device: a table's values into a group's order, results into the matrix."""

from __future__ import annotations

import numpy as np

from headrace_kernels.cuda.device import DeviceArray
from headrace_kernels.cuda.source import Source

SOURCE = Source("rows")
_PLACES = 64
_BITS = {1: np.uint8, 4: np.uint32, 8: np.uint64}


def take_rows(values: DeviceArray, rows: DeviceArray, out: DeviceArray) -> None:
    """Copy `values[rows]`, of any type of 1, 4 or 8 bytes; see the reference. `rows` may be int32.

    Complexity: O(rows): the position, a sector of 32 bytes of the value (less where rows are neighbours), the result.

    Raises:
        TypeError: `values` and `out` have different types, or one of another size.
    """
    if values.dtype != out.dtype or out.dtype.itemsize not in _BITS:
        raise TypeError(f"{values.dtype} cannot be copied to {out.dtype}")
    bits = np.dtype(_BITS[out.dtype.itemsize])
    SOURCE.launch(
        f"take_{_short(bits)}_{_short(rows.dtype)}", len(rows), values.view(bits), rows, len(rows), out.view(bits)
    )  # fmt: skip


def write_rows(block: DeviceArray, rows: DeviceArray, slots: DeviceArray, out: DeviceArray) -> None:
    """Write columns of a block into rows of the matrix, rounded once to its dtype; see the reference.

    `block` and `out` may be float32 or float64, `rows` int32 or int64. A tile is turned in shared memory: reads run
    along columns, writes along rows. Complexity: O(rows * columns), each value read and written once.
    """
    n_columns, count = block.shape
    SOURCE.launch_blocks(
        f"write_{_short(block.dtype)}_{_short(rows.dtype)}_{_short(out.dtype)}", -(-count // _PLACES), block, rows,
        slots, n_columns, count, out.shape[1], out,
    )  # fmt: skip


def _short(dtype: np.dtype[np.generic]) -> str:
    """A type's name as kernels have it: `f64`, `i32`."""
    return f"{dtype.kind}{dtype.itemsize * 8}"
