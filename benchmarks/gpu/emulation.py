"""The tests' emulated device as the current one: for developers without a GPU; figures mean nothing."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path

DEVICES = Path(__file__).parents[2] / "tests" / "kernels" / "devices"


@contextlib.contextmanager
def emulated_device() -> Iterator[None]:
    """Use it while inside."""
    sys.path.insert(0, str(DEVICES))
    from emulated_device import EmulatedDevice

    from headrace_kernels.cuda import device

    with device.use(EmulatedDevice()):
        yield
