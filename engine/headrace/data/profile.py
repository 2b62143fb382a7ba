"""Statistics of a table's columns, as JSON data: what a report shows and what a person looks at first."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from headrace.core.hashing import finite_or_none
from headrace.data.types import table_dtypes

if TYPE_CHECKING:
    import polars as pl
    import pyarrow as pa

TOP_VALUES = 10


def profile(table: pa.Table, *, bins: int = 30) -> dict[str, Any]:
    """Describe every column: rows, nulls, distinct values, range, moments, quantiles, histogram or frequent values.

    Numeric columns: `min, max, mean, std, quantiles {p01, p05, p25, p50, p75, p95, p99}` over finite values, and
    `histogram {edges, counts, below, above}` with equal bins between p01 and p99, so that one outlier does not flatten
    the picture; `nan_or_inf` counts values that are not finite. Timestamps: `min` and `max` as ISO 8601 and the same
    histogram in microseconds since the epoch, over the whole range. Strings and booleans: `top`, the 10 most frequent
    values with their counts, ties in the order of the values.

    Args:
        table: columns of the vocabulary's types.
        bins: bins of a histogram, at least 1.

    Returns:
        `{"rows": n, "columns": [{"name", "dtype", "nulls", "distinct", ...}]}`; a column without values has no range,
        histogram or top.
    """
    import polars as pl

    frame = pl.from_arrow(table.combine_chunks())
    assert isinstance(frame, pl.DataFrame)
    dtypes = table_dtypes(table)
    return {"rows": frame.height, "columns": [_column(frame.get_column(name), dtypes[name], bins) for name in dtypes]}


def _column(values: pl.Series, dtype: str, bins: int) -> dict[str, Any]:
    summary: dict[str, Any] = {"name": values.name, "dtype": dtype, "nulls": values.null_count()}
    present = values.drop_nulls()
    summary["distinct"] = present.n_unique()
    if not len(present):
        return summary
    if dtype in ("int64", "float64"):
        return summary | _numbers(present.cast(float).to_numpy(), bins)
    if dtype == "timestamp":
        moments = present.to_physical().cast(float).to_numpy()
        low, high = float(moments.min()), float(moments.max())
        return summary | {
            "min": present.min().isoformat(),  # type: ignore[union-attr]  # a timestamp column holds datetimes
            "max": present.max().isoformat(),  # type: ignore[union-attr]
            "histogram": _histogram(moments, low, high, bins),
        }
    return summary | {"top": _top(present)}


def _numbers(values: np.ndarray[Any, np.dtype[np.float64]], bins: int) -> dict[str, Any]:
    finite = values[np.isfinite(values)]
    if not len(finite):
        return {"nan_or_inf": len(values)}
    shares = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
    with np.errstate(over="ignore", invalid="ignore"):  # moments of values near the largest float are null
        scale = 4.0 if np.abs(finite).max() > 1e300 else 1.0  # so that a difference of two values stays finite
        quantiles = [float(value) * scale for value in np.quantile(finite / scale, shares)]
        mean, std = float(finite.mean()), float(finite.std())
    return {
        "nan_or_inf": len(values) - len(finite),
        "min": float(finite.min()),
        "max": float(finite.max()),
        "mean": finite_or_none(mean),
        "std": finite_or_none(std),
        "quantiles": {f"p{share * 100:02.0f}": value for share, value in zip(shares, quantiles, strict=True)},
        "histogram": _histogram(finite, quantiles[0], quantiles[-1], bins),
    }


def _histogram(values: np.ndarray[Any, np.dtype[np.float64]], low: float, high: float, bins: int) -> dict[str, Any]:
    edges = histogram_edges(low, high, bins)
    below, above = int((values < edges[0]).sum()), int((values > edges[-1]).sum())
    if len(edges) == bins + 1 and 1e-290 < edges[-1] / 2 - edges[0] / 2 < 1e290:
        counts, edges = np.histogram(values, bins=bins, range=(edges[0], edges[-1]))
    else:
        counts, _ = np.histogram(values, bins=edges)  # several times slower; at widths that overflow, the only way
    return {
        "edges": [float(edge) for edge in edges],
        "counts": [int(count) for count in counts],
        "below": below,
        "above": above,
    }


def histogram_edges(low: float, high: float, bins: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Rising edges of equal bins from low to high, around a single value; of one bin where floats are too coarse.

    float64[bins + 1], or float64[2].
    """
    limit = float(np.finfo(np.float64).max)
    if high <= low:
        half = max(0.5, math.ulp(low))
        low, high = max(low - half, -limit), min(high + half, limit)
    shares = np.linspace(0.0, 1.0, bins + 1)
    edges = low * (1.0 - shares) + high * shares  # high - low may overflow, this does not
    coarse = (high / 2 - low / 2) / bins < 2 * math.ulp(max(abs(low), abs(high)))
    return np.array([low, high]) if coarse else edges


def _top(values: pl.Series) -> list[dict[str, Any]]:
    counts = values.alias("value").value_counts().sort(["count", "value"], descending=[True, False]).head(TOP_VALUES)
    return counts.to_dicts()
