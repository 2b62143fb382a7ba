"""Calendar fields on the device by integer arithmetic, and tables that encode them; see the reference."""

from __future__ import annotations

import numpy as np

from headrace_kernels.cuda import device
from headrace_kernels.cuda.device import DeviceArray
from headrace_kernels.cuda.source import Source

SOURCE = Source("cyclic")


def calendar_field(local: DeviceArray, field: int) -> DeviceArray:
    """One calendar field of each local time; see the reference.

    Complexity: O(n). Moves 16 bytes a time.

    Args:
        local: int64[n], microseconds since 1970-01-01 00:00 on the local clock.
        field: a `CalendarField`.

    Returns:
        int64[n].
    """
    result = device.empty(len(local), np.int64)
    SOURCE.launch("calendar_field", len(local), local, len(local), field, result)
    return result


def write_encoded(field: DeviceArray, table: DeviceArray, slots: DeviceArray, out: DeviceArray) -> None:
    """Write `table[field]` into columns of the matrix; see the reference.

    Complexity: O(n * columns). Moves 8 bytes a row, and the matrix's sectors; the table stays in the cache.

    Args:
        field: int64[n_rows], a row of `table` each.
        table: float32[n_values, n_columns].
        slots: int64[n_columns], the matrix's columns.
        out: float32 or float64[n_rows, n_features].
    """
    kernel = f"encode_f{8 * out.dtype.itemsize}"
    SOURCE.launch(kernel, len(field), field, len(field), table, slots, len(slots), out.shape[1], out)


def shift_to_local(utc: DeviceArray, transitions: DeviceArray, offsets: DeviceArray) -> DeviceArray:
    """Local clock times; see the reference.

    Complexity: O(n log transitions). Moves 16 bytes a time; the transitions stay in the cache.

    Args:
        utc: int64[n].
        transitions: int64[n_transitions], ascending, UTC.
        offsets: int64[n_transitions + 1], microseconds.

    Returns:
        int64[n].
    """
    local = device.empty(len(utc), np.int64)
    SOURCE.launch("shift_to_local", len(utc), utc, len(utc), transitions, len(transitions), offsets, local)
    return local
