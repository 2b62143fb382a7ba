"""Fill the cache of compiled kernels, and say what was compiled: a process with a filled cache compiles nothing."""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from headrace.core.progress import Progress, SilentProgress
from headrace.features.build.building import build
from headrace.features.build.settings import BuildSettings
from headrace.features.build.specimen import specimen_plan, specimen_tables
from headrace.features.execution import compute
from headrace.features.plan import CalendarStep, FeaturePlan, StateStep, WindowStep

_ROWS = 3_000


@dataclass(frozen=True)
class WarmReport:
    """What warming found.

    Attributes:
        compiled: variants of kernels that were compiled, and are cached now.
        loaded: variants that the cache had.
        seconds: how long it took.
    """

    compiled: int
    loaded: int
    seconds: float

    def to_json(self) -> dict[str, Any]:
        """As JSON data."""
        return vars(self)


def warm_kernels(progress: Progress | None = None) -> WarmReport:
    """Run every kernel on every kind of column once, so that each of its variants is in the cache.

    A cache that cannot be written (a read-only installation) warms this process alone.
    """
    started = time.monotonic()
    with (progress or SilentProgress()).step("compiling kernels"), tempfile.TemporaryDirectory() as folder:
        tables = specimen_tables(_ROWS)
        plan = specimen_plan(tables)
        build(plan, tables, Path(folder) / "whole.npy")
        compute(_read_by_an_expression(plan), tables)
        build(plan, tables, Path(folder) / "pieces.npy", settings=BuildSettings(pieces=3))
    compiled, loaded = compilations()
    return WarmReport(compiled, loaded, round(time.monotonic() - started, 3))


def _read_by_an_expression(plan: FeaturePlan) -> FeaturePlan:
    """The same windows and states as float64 values that the matrix does not hold: kernels have a variant for those."""
    moved = [spec for spec in plan.features if isinstance(spec.step, WindowStep | StateStep)]
    kept = [spec for spec in plan.features if isinstance(spec.step, CalendarStep)][:1]
    intermediates = (*plan.intermediates, *(replace(spec, dtype="float64") for spec in moved))
    return replace(plan, features=tuple(kept), intermediates=intermediates)


def compilations() -> tuple[int, int]:
    """Variants of kernels this process compiled, and those it took from the cache."""
    compiled = loaded = 0
    for kernel in _kernels():
        compiled += sum(kernel.stats.cache_misses.values())
        loaded += sum(kernel.stats.cache_hits.values())
    return compiled, loaded


def _kernels() -> Iterator[Any]:
    """Every compiled function of the kernels' modules that are loaded, each once."""
    seen: set[int] = set()
    loaded = [module for name, module in sorted(sys.modules.items()) if name.startswith("headrace_kernels.cpu.")]
    for module in loaded:
        for value in vars(module).values():
            if hasattr(value, "nopython_signatures") and id(value) not in seen:
                seen.add(id(value))
                yield value
