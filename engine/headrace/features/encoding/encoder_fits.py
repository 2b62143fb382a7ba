"""What encoders learn from a training split: counts, order statistics and correctly rounded sums.

Every result depends on the multiset of values alone, not on their order. Numbers that are missing (null, NaN) or
infinite teach nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from headrace.core.errors import InvalidInputError
from headrace.features.definition.encoders import CATEGORICAL
from headrace.features.encoding.encoder_run import Values, as_categories, as_floats
from headrace.features.plan import EncoderSpec
from headrace_kernels.dtypes import Floats

MAX_CATEGORIES = 100_000
"""Categories a plan holds, which is read by people and sent with every package."""


def fit_encoder(spec: EncoderSpec, values: Values) -> dict[str, Any]:
    """Learn an encoder's parameters.

    Args:
        spec: which encoder, with its settings.
        values: Array or ChunkedArray[n], what it reads in the training rows.

    Returns:
        JSON data, what `EncoderSpec.fitted` holds.

    Raises:
        InvalidInputError: no value to learn from, more than 100,000 categories, or numbers whose spread is no float64.
    """
    if spec.kind in CATEGORICAL:
        return _fit_categories(spec, as_categories(values))
    floats = as_floats(values)
    finite = np.sort(floats[np.isfinite(floats)] + 0.0)  # -0.0 becomes 0.0: their order is not defined
    if not len(finite):
        raise InvalidInputError(
            f"encoder '{spec.name}' has no finite value among the {len(floats):,} training rows to learn from",
            hint="leave it out, or give it constants",
        )
    with np.errstate(over="ignore", invalid="ignore"):
        fitted = _NUMBER_FITS[spec.kind](finite, spec.settings)
    if not all(math.isfinite(number) for number in fitted.values() if isinstance(number, float)):
        raise InvalidInputError(f"encoder '{spec.name}': the spread of its training values is beyond float64")
    return fitted


def quantile(ordered: Floats, probability: float) -> float:
    """Quantile of finite numbers, linear between order statistics: what the window statistic gives for the same values.

    Args:
        ordered: float64[n], ascending, n at least 1.
        probability: in [0, 1].
    """
    at = probability * (len(ordered) - 1)
    below = math.floor(at)
    share, low = at - below, float(ordered[below])
    if share == 0.0:
        return low
    high = float(ordered[below + 1])
    if math.isinf(high - low):
        return low * (1.0 - share) + high * share
    return high - (high - low) * (1.0 - share) if share >= 0.5 else low + (high - low) * share


def _fit_categories(spec: EncoderSpec, values: pa.Array) -> dict[str, Any]:
    known = pc.drop_null(values)
    counted = pc.value_counts(known)
    pairs = list(zip(counted.field("values").to_pylist(), counted.field("counts").to_pylist(), strict=True))
    if spec.kind == "one_hot":
        enough = sorted((-count, value) for value, count in pairs if count >= spec.settings["min_count"])
        return {"categories": [value for _, value in enough[: spec.settings["max_categories"]]]}
    if len(pairs) > MAX_CATEGORIES:
        raise InvalidInputError(
            f"encoder '{spec.name}' has {len(pairs):,} categories; at most {MAX_CATEGORIES:,} can be kept in a plan",
            hint="hashed(...) keeps none",
        )
    pairs.sort()
    categories = [value for value, _ in pairs]
    if spec.kind == "ordinal":
        return {"categories": categories}
    if not len(values if spec.settings["null_category"] else known):
        raise InvalidInputError(f"encoder '{spec.name}' has no training row to count")
    rows = len(values) if spec.settings["null_category"] else len(known)
    counts = [count for _, count in pairs]
    return {"categories": categories, "counts": counts, "rows": rows, "nulls": int(values.null_count)}


def _fit_edges(ordered: Floats, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Inner edges: the value that floor(i n / bins) values precede; one at the smallest value would cut nothing."""
    bins, count = settings["bins"], len(ordered)
    edges = sorted({float(ordered[number * count // bins]) for number in range(1, bins)})
    return {"edges": [edge for edge in edges if edge > ordered[0]]}


def _fit_scaled(ordered: Floats, settings: Mapping[str, Any]) -> dict[str, Any]:
    del settings
    mean = _mean(ordered)
    squares = _sum((ordered - mean) ** 2)
    return {"center": mean, "scale": math.sqrt(squares / max(len(ordered) - 1, 1)) or 1.0}


def _fit_robust(ordered: Floats, settings: Mapping[str, Any]) -> dict[str, Any]:
    spread = quantile(ordered, settings["high"]) - quantile(ordered, settings["low"])
    return {"center": quantile(ordered, 0.5), "scale": spread or 1.0}


def _fit_min_max(ordered: Floats, settings: Mapping[str, Any]) -> dict[str, Any]:
    del settings
    low, high = float(ordered[0]), float(ordered[-1])
    return {"low": low, "high": high, "center": low, "scale": (high - low) or 1.0}


def _fit_clipped(ordered: Floats, settings: Mapping[str, Any]) -> dict[str, Any]:
    bounds = {name: settings[name] for name in ("low", "high")}
    return {name: None if bound is None else quantile(ordered, bound) for name, bound in bounds.items()}


def _fit_imputed(ordered: Floats, settings: Mapping[str, Any]) -> dict[str, Any]:
    return {"fill": _mean(ordered) if settings["with"] == "mean" else quantile(ordered, 0.5)}


def _mean(values: Floats) -> float:
    return _sum(values) / len(values)


def _sum(values: Floats) -> float:
    """The sum, rounded once: it does not depend on the order."""
    try:
        return math.fsum(values.tolist())
    except OverflowError:
        return math.inf


_NUMBER_FITS: Mapping[str, Callable[[Floats, Mapping[str, Any]], dict[str, Any]]] = {
    "binned": _fit_edges,
    "scaled": _fit_scaled,
    "robust_scaled": _fit_robust,
    "min_max": _fit_min_max,
    "clipped": _fit_clipped,
    "imputed": _fit_imputed,
}
