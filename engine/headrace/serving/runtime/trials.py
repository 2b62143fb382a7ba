"""Backends against each other: what they take for a batch, and where their answers differ."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence

import numpy as np

from headrace.serving.batching.tickets import Arrays
from headrace.serving.runtime.backend import Backend, Tensor
from headrace.serving.runtime.signature import samples, zeros
from headrace.wire.tensors import DTYPES

TRIAL_S = 0.003
"""Time for which each number of rows is tried with each backend, at least three runs."""


def probes(tensors: Sequence[Tensor], rows: int) -> Iterable[tuple[str, Arrays]]:
    """Rows to compare backends with: zeros, random, random with NaN and infinities, extremes of the datatype."""
    rng = np.random.default_rng(rows)
    plain = zeros(tensors, rows)
    yield "zeros", plain
    if any(tensor.datatype == "BYTES" for tensor in tensors):
        return
    for scale in (1.0, 100.0):
        yield "random values", tuple((rng.standard_normal(a.shape) * scale).astype(a.dtype) for a in plain)
    yield (
        "extremes",
        tuple(rng.choice(_extremes(tensor), size=a.shape) for tensor, a in zip(tensors, plain, strict=True)),
    )


def _extremes(tensor: Tensor) -> np.ndarray:
    dtype = DTYPES[tensor.datatype]
    if dtype.kind == "f":
        info = np.finfo(dtype)
        values = [np.nan, np.inf, -np.inf, info.max, info.min, info.tiny, -0.0, 0.0, 1.0, -1.0]
    elif dtype.kind == "b":
        values = [False, True]
    else:
        limits = np.iinfo(dtype)
        values = [limits.min, limits.max, 0, 1]
    return np.array(values, dtype)


def same_bits(found: np.ndarray, expected: np.ndarray) -> bool:
    """Whether two arrays are equal bit for bit."""
    if found.shape != expected.shape or found.dtype != expected.dtype:
        return False
    return found.tolist() == expected.tolist() if found.dtype == object else found.tobytes() == expected.tobytes()


def median_us(backend: Backend, rows: int) -> float:
    """Time of a run, median."""
    runner = backend.runner()
    inputs = samples(backend.inputs, rows)
    times: list[float] = []
    began = time.perf_counter()
    while len(times) < 3 or time.perf_counter() - began < TRIAL_S:
        start = time.perf_counter()
        runner.run(inputs)
        times.append(time.perf_counter() - start)
    return float(np.median(times)) * 1e6


def last_bits(found: np.ndarray, expected: np.ndarray) -> int:
    """How many steps of the datatype two arrays are apart at most; -1 where that cannot be said.

    Every NaN is the same NaN. Text and numbers that are no floats are equal (0) or not (-1).
    """
    if same_bits(found, expected):
        return 0
    if found.shape != expected.shape or found.dtype != expected.dtype or found.dtype.kind != "f":
        return -1
    if (np.isnan(found) != np.isnan(expected)).any():
        return -1
    known = ~np.isnan(expected)
    steps = np.abs(_steps(found[known]) - _steps(expected[known]))
    return int(steps.max(initial=0))


def _steps(floats: np.ndarray) -> np.ndarray:
    """Floats as whole numbers that count representable values from 0 on, as Python's own: they may pass 2^63."""
    size = floats.dtype.itemsize
    bits = floats.view(f"u{size}")
    sign = bits >> np.array(8 * size - 1, bits.dtype)
    magnitude = (bits & np.array((1 << (8 * size - 1)) - 1, bits.dtype)).astype(np.float64 if size < 8 else object)
    counted: np.ndarray = np.where(sign == 1, -magnitude, magnitude)
    return counted
