"""Cases of wavelet matrices: values of few and of many bits, ranges of every length, bounds beyond all values."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from headrace_kernels.conformance.case import Case
from headrace_kernels.cuda import device
from headrace_kernels.cuda.wavelet import build_wavelet, longest_group

_QUESTIONS = 100


def cases(rng: np.random.Generator, size: int) -> Iterator[Case]:
    """Random values, equal values, no levels at all; the expected answers are found by looking at every value."""
    for n_levels in (0, 1, 5, 13, 32):
        values = rng.integers(0, 2**n_levels, size).astype(np.uint32)
        values[: size // 4] = values[:1]
        yield from _cases(rng, values, n_levels)
    starts = np.concatenate([[0], np.cumsum(rng.integers(0, size + 1, 300))])
    yield Case(
        "longest_group", f"up to {size:,}",
        expected=lambda: [np.array([np.diff(starts).max()])],
        found=lambda: [np.array([longest_group(device.put(starts))])],
    )  # fmt: skip


def _cases(rng: np.random.Generator, values: npt.NDArray[Any], n_levels: int) -> Iterator[Case]:
    first, last = np.sort(rng.integers(0, len(values) + 1, (2, _QUESTIONS)), axis=0)
    first[:2], last[:2] = 0, len(values)
    bounds = rng.integers(0, 2**n_levels + 2, _QUESTIONS)
    inside = [np.sort(values[begin:end]) for begin, end in zip(first, last, strict=True)]
    below = [np.searchsorted(each, bound) for each, bound in zip(inside, bounds, strict=True)]
    asked = np.flatnonzero(last > first)
    smaller = np.array([rng.integers(0, last[row] - first[row]) for row in asked], dtype=np.int64)
    chosen = [inside[row][count] for row, count in zip(asked, smaller, strict=True)]

    def found() -> list[npt.NDArray[Any]]:
        wavelet = build_wavelet(device.put(values), n_levels)
        counts = wavelet.count_below(*map(device.put, (first, last, bounds)))
        return [device.get(counts), device.get(wavelet.find(*map(device.put, (first[asked], last[asked], smaller))))]

    yield Case(
        "wavelet", f"{len(values):,} values of {n_levels} bits",
        expected=lambda: [np.array(below, dtype=np.int64), np.array(chosen, dtype=np.int64)], found=found,
    )  # fmt: skip
