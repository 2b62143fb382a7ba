"""Every kernel, declared once: what it reads and writes, its policy for missing values, and where it is implemented.

`reference/` and `cpu/` hold the same file names and function names; the conformance tests walk this table.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

BACKENDS = ("reference", "cpu")


@dataclass(frozen=True)
class KernelSpec:
    """One kernel.

    Attributes:
        name: function name, the same in every backend.
        module: file name, the same in every backend.
        inputs: argument roles, in order.
        output: what is returned or written.
        missing: null, NaN and Inf policy.
        empty: what comes of no rows.
        error: largest difference to the exact result before the last rounding to float32.
        backends: where it is implemented.
    """

    name: str
    module: str
    inputs: tuple[str, ...]
    output: str
    missing: str
    empty: str
    error: str
    backends: tuple[str, ...] = BACKENDS

    def load(self, backend: str) -> Callable[..., Any]:
        """The kernel's function in a backend."""
        function: Callable[..., Any] = getattr(
            importlib.import_module(f"headrace_kernels.{backend}.{self.module}"), self.name
        )
        return function


KERNELS = {
    spec.name: spec
    for spec in (
        KernelSpec(
            "group_rows", "grouping", ("Codes", "Positions", "n_keys"), "Groups",
            missing="code -1 is no key: left out", empty="no rows in any group", error="none: integers",
        ),
        KernelSpec(
            "group_events", "grouping", ("Codes", "Times", "Times", "n_keys"), "GroupedEvents",
            missing="code -1 is no key: left out", empty="no rows in any group, ordered", error="none: integers",
        ),
        KernelSpec(
            "group_queries", "grouping", ("Codes", "Times", "n_keys"), "GroupedQueries",
            missing="code -1 is no key: left out", empty="no rows in any group", error="none: integers",
        ),
        KernelSpec(
            "aggregate_windows", "windows",
            ("GroupedEvents", "GroupedQueries", "ValueColumn*", "WindowRequest*", "Matrix"), "Matrix, in place",
            missing="null skipped; NaN propagates while inside; Inf does what IEEE arithmetic says, variance is NaN",
            empty="counts 0, all else NaN; variance needs two values",
            error="sums exact; mean two, variance three roundings to float64",
        ),
        KernelSpec(
            "match_states", "asof", ("GroupedEvents", "GroupedQueries", "tolerance_us", "n_rows"), "Positions",
            missing="no key: -1", empty="-1", error="none: integers",
        ),
        KernelSpec(
            "gather_rows", "asof", ("Matrix", "Positions", "Positions", "Matrix"), "Matrix, in place",
            missing="NaN copied; -1 gives NaN", empty="nothing written", error="none: copies",
        ),
        KernelSpec(
            "calendar_field", "cyclic", ("Times", "CalendarField"), "Integers",
            missing="none: callers have no missing times", empty="empty", error="none: integers",
        ),
        KernelSpec(
            "write_encoded", "cyclic", ("Integers", "Matrix", "Positions", "Matrix"), "Matrix, in place",
            missing="NaN in the table is copied", empty="nothing written", error="none: copies",
        ),
        KernelSpec(
            "shift_to_local", "cyclic", ("Times", "Times", "Integers"), "Times",
            missing="none: callers have no missing times", empty="empty", error="none: integers",
        ),
        KernelSpec(
            "hash_integers", "hashing", ("Integers", "seed"), "Hashes",
            missing="none: callers put their own answer under a null", empty="empty", error="none: integers",
        ),
        KernelSpec(
            "hash_strings", "hashing", ("Starts", "Bytes", "seed"), "Hashes",
            missing="none: callers put their own answer under a null", empty="empty", error="none: integers",
        ),
        KernelSpec(
            "write_rescaled", "encoding", ("Floats", "Floats", "slot", "Matrix"), "Matrix, in place",
            missing="NaN is filled before all else; Inf is clipped, or goes on as IEEE arithmetic says",
            empty="nothing written", error="two roundings to float64",
        ),
        KernelSpec(
            "write_bins", "encoding", ("Floats", "Floats", "missing", "slot", "Matrix"), "Matrix, in place",
            missing="NaN becomes `missing`; Inf falls into an outer bin", empty="nothing written",
            error="none: integers",
        ),
        KernelSpec(
            "haversine_km", "haversine", ("Floats", "Floats", "Floats", "Floats"), "Floats",
            missing="NaN, Inf and what is no place give NaN", empty="empty", error="2e-15 relative",
        ),
    )
}  # fmt: skip
