"""How requests reach kernels of windows: the arguments that `requests.cuh` takes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from headrace_kernels.arrays import Statistic, StatisticRequest, ValueColumn, WindowFrames
from headrace_kernels.cuda import device
from headrace_kernels.cuda.device import DeviceArray


def request_arguments(requests: Sequence[StatisticRequest], rows: Sequence[int], out: DeviceArray) -> tuple[Any, ...]:
    """Statistics, rows, parameters, what stands for nothing, their number, narrow and wide results.

    Args:
        requests: all that `out` has a row for.
        rows: those that the kernel answers.
        out: float32 or float64[n_requests, n_queries].
    """
    chosen = [requests[row] for row in rows]
    is_narrow = out.dtype == np.float32
    return (
        device.put(np.array([request.statistic for request in chosen], dtype=np.int64)),
        device.put(np.array(rows, dtype=np.int64)),
        device.put(np.array([request.parameter for request in chosen], dtype=np.float64)),
        device.put(np.array([request.empty for request in chosen], dtype=np.float64)),
        len(chosen), out if is_narrow else None, None if is_narrow else out,
    )  # fmt: skip


def window_arguments(frames: WindowFrames) -> tuple[Any, ...]:
    """First, last and own events, when events are visible, when queries ask, the number of queries.

    There are no own events where no window has one, no times of visibility where all events of a window are visible.
    """
    return (
        frames.first, frames.last, frames.extra if len(frames.extra) else None,
        None if frames.events.ordered else frames.events.visible_at, frames.queries.time, len(frames.first),
    )  # fmt: skip


def column_arguments(column: ValueColumn | None) -> tuple[DeviceArray, DeviceArray, DeviceArray]:
    """Floats or None, integers or None, flags of what is not null or None."""
    if column is None:
        return None, None, None
    is_float = column.values.dtype.kind == "f"
    return (column.values, None, column.valid) if is_float else (None, column.values, column.valid)


class UnsupportedStatisticError(NotImplementedError):
    """A statistic that the device's kernels do not compute."""


def require_support(requests: Sequence[StatisticRequest], supported: frozenset[Statistic]) -> None:
    """Refuse what a module does not compute.

    Args:
        requests: what is asked for.
        supported: what the module computes.

    Raises:
        UnsupportedStatisticError: a statistic is not computed.
    """
    for request in requests:
        if request.statistic not in supported:
            name, known = Statistic(request.statistic).name, ", ".join(sorted(each.name for each in supported))
            raise UnsupportedStatisticError(f"{name} has no CUDA kernel here; there are {known}: use the CPU's kernel")
