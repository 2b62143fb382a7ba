"""Cases of hashes: integers of every size, strings whose lengths end every branch, slices that do not begin at 0."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from headrace_kernels.conformance.case import Case
from headrace_kernels.conformance.worlds import to_device
from headrace_kernels.cpu import hashing as cpu
from headrace_kernels.cuda import device
from headrace_kernels.cuda import hashing as cuda

_SEEDS = (0, 1, 2**64 - 1)


def cases(rng: np.random.Generator, size: int) -> Iterator[Case]:
    """Hashes of so many integers and strings with every kind of seed."""
    values = rng.integers(-(2**63), 2**63, size)
    values[::5] = rng.integers(-3, 3, len(values[::5]))
    lengths = rng.integers(0, 75, size)
    lengths[::7] = 0
    for seed, skipped in zip(_SEEDS, (0, 5, 8), strict=True):
        offsets = skipped + np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        data = rng.integers(0, 256, int(offsets[-1]), dtype=np.uint8)
        yield _case("hash_integers", f"{size:,} with seed {seed}", values, seed)
        yield _case("hash_strings", f"{size:,} after {skipped} bytes with seed {seed}", offsets, data, seed)


def _case(kernel: str, label: str, *arguments: Any) -> Case:
    on_cpu, on_device = getattr(cpu, kernel), getattr(cuda, kernel)
    return Case(
        kernel, label,
        expected=lambda: [on_cpu(*arguments)],
        found=lambda: [device.get(on_device(*map(to_device, arguments)))],
    )  # fmt: skip
