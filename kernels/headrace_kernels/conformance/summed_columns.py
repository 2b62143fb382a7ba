"""Cases of what makes a column ready for sums: kinds, marks, integers, their prefix sums, counts above a value."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from headrace_kernels.arrays import ValueColumn
from headrace_kernels.conformance.case import Arrays, Case
from headrace_kernels.conformance.worlds import make_column, to_device
from headrace_kernels.cpu.summed_columns import SummedColumn as CpuColumn
from headrace_kernels.cuda import device
from headrace_kernels.cuda.device import DeviceArray
from headrace_kernels.cuda.summed_columns import SummedColumn

_THRESHOLDS = (0.0, -0.5, 100.0)


def cases(rng: np.random.Generator, size: int) -> Iterator[Case]:
    """Every kind of column, and one whose sums of squares leave 64 bits."""
    for kind in ("floats", "unfriendly", "integers"):
        for nulls in (False, True):
            yield _case(f"{kind}, nulls={nulls}, {size:,}", make_column(rng, size, kind=kind, nulls=nulls))
    large = rng.integers(-(2**62), 2**62, size)
    yield _case(f"integers of 63 bits, {size:,}", ValueColumn(large, None, 0))
    yield _case(
        f"floats of 70 bits, {size:,}", ValueColumn(large.astype(np.float64) * 256.0, rng.random(size) < 0.5, 0)
    )


def _case(label: str, column: ValueColumn) -> Case:
    def expected() -> Arrays:
        summed = CpuColumn(column)
        sums, *squares = summed.sums
        marks = summed.marks
        if marks.shape[1] and not marks[1:].any():
            marks = marks[:1]
        scaled = summed.scaled
        facts = np.array([len(summed.kinds) == 0, len(scaled.fits) == 0, scaled.largest], dtype=np.uint64)
        above = [summed.above(threshold) for threshold in _THRESHOLDS]
        return [facts, summed.kinds, marks.reshape(-1), scaled.integers, sums, np.stack(squares, axis=1), *above]

    def found() -> Arrays:
        summed = SummedColumn(to_device(column))
        sums, squares = summed.sums(squared=True)
        facts = np.array([summed.kinds is None, summed.facts.fits, summed.facts.largest], dtype=np.uint64)
        above = [device.get(summed.above(threshold)) for threshold in _THRESHOLDS]
        kinds, marks = _got(summed.kinds, np.int8), _got(summed.marks, np.int64).reshape(-1)
        return [facts, kinds, marks, device.get(summed.scaled.integers), device.get(sums), device.get(squares), *above]

    return Case("summed_columns", label, expected, found)


def _got(array: DeviceArray | None, dtype: npt.DTypeLike) -> npt.NDArray[np.generic]:
    return np.zeros(0, dtype) if array is None else device.get(array)
