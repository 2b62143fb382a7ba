"""How kernels of windows are called: the arguments of `windows.cuh`."""

from __future__ import annotations

from typing import Any

import numpy as np

from headrace_kernels.arrays import WindowFrames
from headrace_kernels.cuda.device import DeviceArray


def window_arguments(frames: WindowFrames) -> tuple[Any, ...]:
    """What says which events a window holds: first, last, extra, visible_at, query_time, n_queries.

    There is no `extra` where no window has one, and no `visible_at` where all events of a window are visible.
    """
    return (
        frames.first, frames.last, frames.extra if len(frames.extra) else None,
        None if frames.events.ordered else frames.events.visible_at, frames.queries.time, len(frames.first),
    )  # fmt: skip


def result_arguments(out: DeviceArray) -> tuple[DeviceArray | None, DeviceArray | None]:
    """Where results go: narrow and wide, one of them None.

    Args:
        out: float32 or float64[n_requests, n_queries].
    """
    return (out, None) if out.dtype == np.float32 else (None, out)


def bits_of(values: DeviceArray) -> tuple[DeviceArray, bool]:
    """Values as the 64 bits they are made of, and whether they are integers.

    Args:
        values: float64[n] or int64[n].
    """
    return values.view(np.int64), values.dtype.kind == "i"
