"""Cases: the same work by a CPU kernel and by a CUDA kernel, compared by `==`."""

from __future__ import annotations

import importlib
import pkgutil
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

import headrace_kernels.conformance

Arrays = Sequence[npt.NDArray[Any]]
EDGES = (0, 1, 2, 31, 32, 33, 255, 256, 257, 2047, 2048, 2049, 5000)
"""Sizes around the edges of warps, blocks and tiles."""


@dataclass(frozen=True)
class Case:
    """One comparison.

    Attributes:
        kernel: name in `spec.KERNELS`, or of a device routine that several kernels share.
        label: what is special about it.
        expected: results on the CPU.
        found: results of the current device, copied back.
    """

    kernel: str
    label: str
    expected: Callable[[], Arrays]
    found: Callable[[], Arrays]


@dataclass(frozen=True)
class Outcome:
    """What came of a case: `problem` is empty where every bit is equal."""

    kernel: str
    label: str
    problem: str
    seconds: float


def suites() -> list[str]:
    """Names of the modules that hold cases."""
    package = headrace_kernels.conformance
    return [
        found.name
        for found in pkgutil.iter_modules(package.__path__)
        if found.name not in {"case", "worlds", "__main__"}
    ]


def cases_of(suite: str, size: int, seed: int) -> Iterator[Case]:
    """Cases of about so many rows.

    Args:
        suite: one of `suites()`.
        size: rows, of `EDGES` or any other.
        seed: of the random numbers.
    """
    module = importlib.import_module(f"headrace_kernels.conformance.{suite}")
    made: Iterator[Case] = module.cases(np.random.default_rng([seed, size]), size)
    return made


def run_case(case: Case) -> Outcome:
    """Run both sides of a case and compare them; what either raises must be raised by both."""
    expected, wanted = _outcome(case.expected)
    started = time.perf_counter()
    found, raised = _outcome(case.found)
    seconds = time.perf_counter() - started
    if wanted or raised:
        problem = "" if wanted == raised else f"the CPU says '{wanted}', the device '{raised}'"
        return Outcome(case.kernel, case.label, problem, seconds)
    problem = "" if len(expected) == len(found) else f"{len(found)} results instead of {len(expected)}"
    for number, (left, right) in enumerate(zip(expected, found, strict=False)):
        problem = problem or difference(left, right, f"result {number}")
    return Outcome(case.kernel, case.label, problem, seconds)


def difference(expected: npt.NDArray[Any], found: npt.NDArray[Any], name: str) -> str:
    """How two arrays differ, in words; empty where they are equal bit for bit.

    Every NaN is expected as NumPy writes it: what a CPU's or a device's arithmetic makes of 0/0 differs between them.
    """
    if expected.shape != found.shape or expected.dtype != found.dtype:
        return f"{name} is {found.dtype}{list(found.shape)} instead of {expected.dtype}{list(expected.shape)}"
    bits = f"u{expected.dtype.itemsize}"
    same = np.ascontiguousarray(expected).view(bits) == np.ascontiguousarray(found).view(bits)
    if expected.dtype.kind == "f":
        plain = np.full(1, np.nan, expected.dtype).view(bits)
        same |= np.isnan(expected) & (np.ascontiguousarray(found).view(bits) == plain)
    if same.all():
        return ""
    first = np.unravel_index(int(np.argmin(same)), same.shape)
    place = ", ".join(str(int(each)) for each in first)
    count = int(same.size - same.sum())
    return f"{name}[{place}] is {found[first]!r} instead of {expected[first]!r}; {count:,} of {same.size:,} differ"


def _outcome(work: Callable[[], Arrays]) -> tuple[Arrays, str]:
    try:
        return work(), ""
    except ArithmeticError as error:
        return [], f"{type(error).__name__}: {error}"
