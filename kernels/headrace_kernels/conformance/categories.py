"""Cases of different categories: few and many of them, nulls, own events, windows of hours and of the whole history."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from headrace_kernels.arrays import Statistic, StatisticRequest, WindowFrames
from headrace_kernels.conformance.case import Case
from headrace_kernels.conformance.worlds import make_world, to_device
from headrace_kernels.cpu import categories as cpu
from headrace_kernels.cuda import categories as cuda
from headrace_kernels.cuda import device

_HOUR = 3_600_000_000
_REQUESTS = [StatisticRequest(Statistic.DISTINCT), StatisticRequest(Statistic.DISTINCT, 0.0, -1.0)]


def cases(rng: np.random.Generator, size: int) -> Iterator[Case]:
    """Categories of one and of many keys, ordered visibility and not; one index for windows of two lengths."""
    for n_keys, n_codes, ordered in (
        (None, 0, True), (None, 300, True), (1, 7, True), (1, 300, True), (3, 1, True), (1, 300, False), (3, 7, False),
    ):  # fmt: skip
        world = make_world(rng, size, n_keys=n_keys, ordered=ordered)
        codes = rng.integers(0, n_codes, size).astype(np.int32) if n_codes else np.full(size, -1, np.int32)
        codes[rng.random(size) < 0.1] = -1
        label = f"{n_codes} of {'many' if n_keys is None else n_keys} keys, {'' if ordered else 'un'}ordered, {size:,}"
        both = [world.frames(width * _HOUR, extra=extra) for width, extra in ((24, False), (2000, True))]
        yield _case(label, both, codes, n_codes, np.float64 if n_codes != 7 else np.float32)


def _case(label: str, windows: list[WindowFrames], codes: npt.NDArray[Any], n_codes: int, dtype: npt.DTypeLike) -> Case:
    shape = (len(_REQUESTS), len(windows[0].first))
    values, hashes = np.arange(n_codes, dtype=np.float64), np.zeros(n_codes, dtype=np.uint64)

    def expected() -> list[npt.NDArray[Any]]:
        results = [np.empty(shape, dtype=dtype) for _ in windows]
        for frames, out in zip(windows, results, strict=True):
            cpu.aggregate_categories(frames, codes, values, hashes, _REQUESTS, out)
        return results

    def found() -> list[npt.NDArray[Any]]:
        results, moved = [device.empty(shape, dtype) for _ in windows], [to_device(each) for each in windows]
        there = device.put(codes)
        index = cuda.index_categories(moved[0].events, there, n_codes) if n_codes != 7 else None
        for frames, out in zip(moved, results, strict=True):
            cuda.aggregate_categories(
                frames, there, device.put(values), device.put(hashes), _REQUESTS, out, index=index
            )
        return [device.get(each) for each in results]

    return Case("aggregate_categories", label, expected, found)
