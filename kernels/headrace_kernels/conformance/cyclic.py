"""Cases of calendar fields: times before and after 1970, on the edges of days and minutes, and far away."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from headrace_kernels.arrays import CalendarField
from headrace_kernels.conformance.case import Case
from headrace_kernels.conformance.worlds import to_device
from headrace_kernels.cpu import cyclic as cpu
from headrace_kernels.cuda import cyclic as cuda
from headrace_kernels.cuda import device
from headrace_kernels.dtypes import MAX_TIME_US

_DAY_US = 86_400_000_000


def cases(rng: np.random.Generator, size: int) -> Iterator[Case]:
    """Every field, tables of up to three columns, no and many transitions."""
    times = rng.integers(-1000 * 365, 1000 * 365, size) * _DAY_US + rng.integers(-2, 3, size)
    times[::3] = rng.integers(-MAX_TIME_US + 1, MAX_TIME_US, len(times[::3]))
    for field in CalendarField:
        yield _case("calendar_field", f"{field.name}, {size:,}", times, int(field))
    for n_transitions in (0, 1, 300):
        transitions = np.unique(rng.choice(times, n_transitions)) if size else times
        offsets = rng.integers(-14, 15, len(transitions) + 1) * 1_800_000_000
        yield _case("shift_to_local", f"{size:,}, {len(transitions)} transitions", times, transitions, offsets)
    for dtype in (np.float32, np.float64):
        for slots in ([], [3], [4, 0, 2]):
            yield _encoded(rng, np.array(slots, dtype=np.int64), rng.normal(size=(size, 5)).astype(dtype))


def _case(kernel: str, label: str, *arguments: Any) -> Case:
    on_cpu, on_device = getattr(cpu, kernel), getattr(cuda, kernel)
    return Case(
        kernel, label,
        expected=lambda: [on_cpu(*arguments)],
        found=lambda: [device.get(on_device(*map(to_device, arguments)))],
    )  # fmt: skip


def _encoded(rng: np.random.Generator, slots: npt.NDArray[Any], before: npt.NDArray[Any]) -> Case:
    field = rng.integers(0, 24, len(before))
    table = rng.normal(size=(24, len(slots))).astype(np.float32)
    table[::4] = np.nan

    def found() -> list[npt.NDArray[Any]]:
        out = device.put(before)
        cuda.write_encoded(device.put(field), device.put(table), device.put(slots), out)
        return [device.get(out)]

    def expected() -> list[npt.NDArray[Any]]:
        out = before.copy()
        cpu.write_encoded(field, table, slots, out)
        return [out]

    return Case("write_encoded", f"{before.dtype}, {len(slots)} columns", expected, found)
