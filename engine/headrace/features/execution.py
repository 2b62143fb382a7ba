"""Run a plan: tables in, matrix out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from headrace.core.progress import Progress, SilentProgress
from headrace.features.device import CPU_ONLY, Devices, open_devices
from headrace.features.matrix import FeatureMatrix
from headrace.features.plan import FeaturePlan

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


def compute(  # noqa: PLR0913  # two things to say what, the rest how
    plan: FeaturePlan,
    tables: Mapping[str, Any],
    *,
    spine: Any = None,
    out: npt.NDArray[np.float32] | None = None,
    threads: int = 2,
    progress: Progress | None = None,
    device: Devices | str = CPU_ONLY,
) -> FeatureMatrix:
    """Compute every feature of every spine row at its query time.

    Args:
        plan: what to compute.
        tables: tables by name, with at least the plan's columns: Arrow's, any library's with `__arrow_c_stream__`
            (Polars, pandas, DuckDB, cuDF), or Arrow device arrays, whose columns are copied from a CUDA device.
        spine: the rows that ask, by default the plan's spine table. A subset of it gives the same bits.
        out: float32[n_rows, n_features], C-contiguous, to write into, so that a caller can use memory again.
        threads: worker threads; the result does not depend on their number.
        progress: where to report to.
        device: `cpu`, `cuda` (wherever there is a kernel), `auto` (where it is faster), or what `open_devices` gave;
            the bits are the same. What stays on the CPU, and why, is in the result's `placements`.

    Raises:
        UnavailableError: `cuda` is asked for and there is no device.
        InvalidInputError: a table or column is missing, has another type than the plan says, a row has no query time,
            a sum
            leaves the exact range, or `out` has another shape or dtype.
    """
    # here, so that definitions load without Arrow and Numba
    from headrace.features.executor.run import run_plan
    from headrace.features.table_inputs import as_table, as_tables

    devices = device if isinstance(device, Devices) else open_devices(device)
    return run_plan(
        plan, as_tables(tables, devices.devices), out=out, threads=threads, progress=progress or SilentProgress(),
        spine=None if spine is None else as_table(plan.spine, spine, devices.devices), devices=devices,
    )  # fmt: skip
