"""Cases of prefix sums, which the other CUDA kernels are built on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from headrace_kernels.conformance.case import Case
from headrace_kernels.cuda import device, scan


def cases(rng: np.random.Generator, size: int) -> Iterator[Case]:
    """Integers over the whole range, so that sums wrap, and flags."""
    numbers = rng.integers(-(2**63), 2**63, size)
    yield _case(f"integers that wrap, {size:,}", numbers)
    yield _case(f"flags, {size:,}", numbers > 0)


def _case(label: str, items: npt.NDArray[Any]) -> Case:
    return Case(
        "prefix_sums", label,
        expected=lambda: [np.concatenate([[0], np.cumsum(items, dtype=np.int64)])],
        found=lambda: [device.get(scan.prefix_sums(device.put(items)))],
    )  # fmt: skip
