"""Cases of encodings of numbers: unfriendly values, bounds and bins, matrices of both dtypes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from headrace_kernels.conformance.case import Case
from headrace_kernels.conformance.worlds import make_column
from headrace_kernels.cpu import encoding as cpu
from headrace_kernels.cuda import device
from headrace_kernels.cuda import encoding as cuda

_INF = float("inf")
_NAN = float("nan")
_SCALINGS = (
    [_NAN, -_INF, _INF, 0.0, 1.0],
    [0.0, -50.0, 50.0, 3.3, 0.7],
    [-0.0, 0.0, 1e300, 0.0, 1e-300],
    [7.0, 1.0, 1.0, 1.0, 0.0],
)


def cases(rng: np.random.Generator, size: int) -> Iterator[Case]:
    """Scalings that overflow and divide by zero; no, one and many edges, values on them."""
    values = np.asarray(make_column(rng, size, kind="unfriendly").values, dtype=np.float64)
    for dtype in (np.float32, np.float64):
        before = rng.normal(size=(size, 5)).astype(dtype)
        for numbers in _SCALINGS:
            yield _rescaled(values, np.array(numbers), before)
        for n_edges in (0, 1, 63):
            edges = np.unique(np.concatenate([rng.choice(values, n_edges), rng.normal(size=n_edges)]) if size else [])
            yield _binned(values, edges[np.isfinite(edges)], before)


def _rescaled(values: npt.NDArray[Any], scaling: npt.NDArray[Any], before: npt.NDArray[Any]) -> Case:
    def found() -> list[npt.NDArray[Any]]:
        out = device.put(before)
        cuda.write_rescaled(device.put(values), device.put(scaling), 3, out)
        return [device.get(out)]

    def expected() -> list[npt.NDArray[Any]]:
        out = before.copy()
        cpu.write_rescaled(values, scaling, 3, out)
        return [out]

    return Case("write_rescaled", f"{before.dtype}, {scaling.tolist()}", expected, found)


def _binned(values: npt.NDArray[Any], edges: npt.NDArray[Any], before: npt.NDArray[Any]) -> Case:
    def found() -> list[npt.NDArray[Any]]:
        out = device.put(before)
        cuda.write_bins(device.put(values), device.put(edges), _NAN, 0, out)
        cuda.write_bins(device.put(values), device.put(edges), -1.0, 4, out)
        return [device.get(out)]

    def expected() -> list[npt.NDArray[Any]]:
        out = before.copy()
        cpu.write_bins(values, edges, _NAN, 0, out)
        cpu.write_bins(values, edges, -1.0, 4, out)
        return [out]

    return Case("write_bins", f"{before.dtype}, {len(edges)} edges", expected, found)
