"""Every kernel, declared once: what it reads and writes, its policy for missing values, and where it is implemented.

`reference/` and `cpu/`, `cuda/` or `native/`, hold the same file names and function names; the conformance tests walk
this table.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

BACKENDS = ("reference", "cpu")
WITH_CUDA = (*BACKENDS, "cuda")
NATIVE = ("reference", "native")
NATIVE_AND_CUDA = (*NATIVE, "cuda")


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
            "group_rows", "grouping", ("Rows", "Codes", "low", "n_keys"), "Groups",
            missing="rows without a key are in no bucket", empty="no rows in any group", error="none: integers",
            backends=WITH_CUDA,
        ),
        KernelSpec(
            "group_events", "grouping", ("Rows", "Codes", "low", "n_keys", "EventTimes"), "GroupedEvents",
            missing="rows without a key are in no bucket", empty="no rows in any group, ordered",
            error="none: integers",
            backends=WITH_CUDA,
        ),
        KernelSpec(
            "group_queries", "grouping", ("Rows", "Codes", "low", "n_keys", "Times"), "GroupedQueries",
            missing="rows without a key are in no bucket", empty="no rows in any group", error="none: integers",
            backends=WITH_CUDA,
        ),
        KernelSpec(
            "bound_visible", "frames", ("GroupedEvents", "GroupedQueries"), "Positions",
            missing="none: rows without a time are in no bucket", empty="the group's start", error="none: integers",
            backends=WITH_CUDA,
        ),
        KernelSpec(
            "bound_since", "frames", ("GroupedEvents", "GroupedQueries", "Times", "Positions"), "Positions",
            missing="none: rows without a time are in no bucket", empty="`last`", error="none: integers",
            backends=WITH_CUDA,
        ),
        KernelSpec(
            "bound_newest", "frames", ("GroupedEvents", "GroupedQueries", "n_events", "Positions"), "Positions",
            missing="none: rows without a time are in no bucket", empty="`last`", error="none: integers",
            backends=WITH_CUDA,
        ),
        KernelSpec(
            "bound_session", "frames", ("GroupedEvents", "GroupedQueries", "gap_us", "Positions"), "Positions",
            missing="none: rows without a time are in no bucket", empty="`last`", error="none: integers",
            backends=WITH_CUDA,
        ),
        KernelSpec(
            "window_moves", "frames", ("GroupedEvents", "GroupedQueries", "Positions", "Positions", "Positions"),
            "Positions, Positions",
            missing="none: rows without a time are in no bucket", empty="no moves", error="none: integers",
        ),
        KernelSpec(
            "aggregate_moments", "moments", ("WindowFrames", "ValueColumn", "StatisticRequest*", "Results"),
            "Results, in place",
            missing="null skipped; NaN propagates while inside; Inf does what IEEE arithmetic says, variance is NaN",
            empty="counts 0, all else request.empty; variance needs two values",
            error="sums exact; mean two, variance three roundings to float64", backends=WITH_CUDA,
        ),
        KernelSpec(
            "aggregate_extremes", "extremes", ("WindowFrames", "ValueColumn", "StatisticRequest*", "Results"),
            "Results, in place",
            missing="null skipped; NaN propagates while inside; Inf is compared", empty="request.empty",
            error="none: selections; range one rounding", backends=WITH_CUDA,
        ),
        KernelSpec(
            "match_states", "asof", ("GroupedEvents", "GroupedQueries", "tolerance_us"), "Positions",
            missing="none: rows without a key or time are in no bucket", empty="-1", error="none: integers",
            backends=WITH_CUDA,
        ),
        KernelSpec(
            "take_matches", "asof", ("Floats", "Positions", "Floats"), "Floats, in place",
            missing="NaN copied; -1 gives NaN", empty="nothing written", error="none: copies",
            backends=WITH_CUDA,
        ),
        KernelSpec(
            "take_rows", "rows", ("Array", "Positions", "Array"), "Array, in place",
            missing="NaN copied", empty="nothing written", error="none: copies",
            backends=WITH_CUDA,
        ),
        KernelSpec(
            "write_rows", "rows", ("Results", "Positions", "Positions", "Matrix"), "Matrix, in place",
            missing="NaN copied", empty="nothing written", error="one rounding to the matrix's dtype",
            backends=WITH_CUDA,
        ),
        KernelSpec(
            "calendar_field", "cyclic", ("Times", "CalendarField"), "Integers",
            missing="none: callers have no missing times", empty="empty", error="none: integers", backends=WITH_CUDA,
        ),
        KernelSpec(
            "write_encoded", "cyclic", ("Integers", "Matrix", "Positions", "Matrix"), "Matrix, in place",
            missing="NaN in the table is copied", empty="nothing written", error="none: copies", backends=WITH_CUDA,
        ),
        KernelSpec(
            "shift_to_local", "cyclic", ("Times", "Times", "Integers"), "Times",
            missing="none: callers have no missing times", empty="empty", error="none: integers", backends=WITH_CUDA,
        ),
        KernelSpec(
            "hash_integers", "hashing", ("Integers", "seed"), "Hashes",
            missing="none: callers put their own answer under a null", empty="empty", error="none: integers",
            backends=WITH_CUDA,
        ),
        KernelSpec(
            "hash_strings", "hashing", ("Starts", "Bytes", "seed"), "Hashes",
            missing="none: callers put their own answer under a null", empty="empty", error="none: integers",
            backends=WITH_CUDA,
        ),
        KernelSpec(
            "aggregate_ends", "ends", ("WindowFrames", "ValueColumn", "StatisticRequest*", "Results"),
            "Results, in place",
            missing="null skipped; NaN and Inf are values", empty="the request's `empty`",
            error="selections exact; differences one rounding, quotients two", backends=WITH_CUDA,
        ),
        KernelSpec(
            "aggregate_categories", "categories",
            ("WindowFrames", "Codes", "Floats", "Hashes", "StatisticRequest*", "Results"), "Results, in place",
            missing="code -1 is null: skipped", empty="0 distinct, else the request's `empty`",
            error="counts exact; shares one rounding; entropy about 1e-15 * log(events); sketch 1.6 % (standard error)",
            backends=WITH_CUDA,
        ),
        KernelSpec(
            "aggregate_quantiles", "quantiles", ("WindowFrames", "ValueColumn", "StatisticRequest*", "Results"),
            "Results, in place",
            missing="null skipped; NaN propagates while inside; Inf is a value", empty="the request's `empty`",
            error="selections exact; interpolation between finite values as numpy.quantile, bit for bit",
            backends=WITH_CUDA,
        ),
        KernelSpec(
            "aggregate_decayed", "decay", ("WindowFrames", "ValueColumn", "StatisticRequest*", "Results"),
            "Results, in place",
            missing="null skipped; NaN and Inf do what IEEE arithmetic says",
            empty="count 0, else the request's `empty`",
            error="weights 1.1 ulp + 0.7 ulp a half-life of age; float64 sums, oldest first", backends=WITH_CUDA,
        ),
        KernelSpec(
            "aggregate_pairs", "pairs",
            ("WindowFrames", "ValueColumn", "ValueColumn", "StatisticRequest*", "Results"), "Results, in place",
            missing="a null on either side: skipped; NaN or Inf inside: NaN",
            empty="fewer than two pairs, or nothing varies: the request's `empty`",
            error="numerators exact; then two to four roundings to float64", backends=WITH_CUDA,
        ),
        KernelSpec(
            "write_rescaled", "encoding", ("Floats", "Floats", "slot", "Matrix"), "Matrix, in place",
            missing="NaN is filled before all else; Inf is clipped, or goes on as IEEE arithmetic says",
            empty="nothing written", error="two roundings to float64", backends=WITH_CUDA,
        ),
        KernelSpec(
            "write_bins", "encoding", ("Floats", "Floats", "missing", "slot", "Matrix"), "Matrix, in place",
            missing="NaN becomes `missing`; Inf falls into an outer bin", empty="nothing written",
            error="none: integers", backends=WITH_CUDA,
        ),
        KernelSpec(
            "haversine_km", "haversine", ("Floats", "Floats", "Floats", "Floats"), "Floats",
            missing="NaN, Inf and what is no place give NaN", empty="empty", error="2e-15 relative",
            backends=WITH_CUDA,
        ),
        KernelSpec(
            "score_forest", "forest", ("Forest", "Matrix", "Scores"), "Scores, in place",
            missing="NaN goes where each node says; Inf is compared", empty="nothing written",
            error="one rounding an addition, tree after tree", backends=NATIVE_AND_CUDA,
        ),
        KernelSpec(
            "link_scores", "forest", ("Scores", "LinkRule", "Matrix"), "Matrix, in place",
            missing="NaN stays", empty="nothing written",
            error="powers as the C library's, else one rounding an operation, then one to float32",
            backends=NATIVE_AND_CUDA,
        ),
        KernelSpec(
            "classify_scores", "forest", ("Scores", "ClassRule", "Integers", "Matrix"), "Integers, Matrix, in place",
            missing="none: scores are sums of finite leaves", empty="nothing written",
            error="exponentials as the C library's (1 ulp), else one rounding to float32 an operation", backends=NATIVE,
        ),
    )
}  # fmt: skip
