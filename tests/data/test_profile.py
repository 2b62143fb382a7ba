"""The profile's numbers are NumPy's and Polars' numbers, and can always be written as JSON."""

import json
from datetime import UTC, datetime

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from headrace.data import profile

RANDOM = np.random.default_rng(3)
MIXED = pa.table(
    {
        "delay": pa.array([None if at % 7 == 0 else float(x) for at, x in enumerate(RANDOM.normal(5, 20, 5_000))]),
        "count": pa.array(RANDOM.integers(-50, 50, 5_000)),
        "carrier": pa.array([None if at % 11 == 0 else "ABCDEFGHIJKL"[at % 12] for at in range(5_000)]),
        "late": pa.array([at % 4 == 0 for at in range(5_000)]),
        "at": pa.array(np.arange(5_000) * 60_000_000, pa.timestamp("us", "UTC")),
    }
)


def described(name, table=MIXED, **options):
    return next(column for column in profile(table, **options)["columns"] if column["name"] == name)


@pytest.mark.parametrize("name", ["delay", "count"])
def test_numbers_agree_with_polars(name):
    found, values = described(name), pl.from_arrow(MIXED)[name]
    assert found["nulls"] == values.null_count()
    assert found["distinct"] == values.drop_nulls().n_unique()
    assert found["min"] == values.min()
    assert found["max"] == values.max()
    assert found["mean"] == pytest.approx(values.mean(), rel=1e-12)
    assert found["std"] == pytest.approx(values.std(ddof=0), rel=1e-12)
    for share, key in ((0.01, "p01"), (0.5, "p50"), (0.95, "p95"), (0.99, "p99")):
        assert found["quantiles"][key] == pytest.approx(values.quantile(share, "linear"), rel=1e-12)


def test_the_histogram_counts_every_value_once():
    found = described("delay", bins=20)
    values = pl.from_arrow(MIXED)["delay"].drop_nulls().to_numpy()
    edges = np.array(found["histogram"]["edges"])
    assert len(edges) == 21
    assert (edges[0], edges[-1]) == (found["quantiles"]["p01"], found["quantiles"]["p99"])
    inside = values[(values >= edges[0]) & (values <= edges[-1])]
    assert found["histogram"]["counts"] == np.histogram(inside, edges)[0].tolist()
    histogram = found["histogram"]
    assert sum(histogram["counts"]) + histogram["below"] + histogram["above"] == len(values)


def test_frequent_values_come_with_their_counts_ties_in_order():
    found = described("carrier")
    counts = pl.from_arrow(MIXED)["carrier"].drop_nulls().value_counts()
    expected = sorted(counts.rows(), key=lambda row: (-row[1], row[0]))[:10]
    assert [(item["value"], item["count"]) for item in found["top"]] == expected
    assert described("late")["top"] == [{"value": False, "count": 3_750}, {"value": True, "count": 1_250}]


def test_a_time_column_has_its_range_and_histogram():
    found = described("at", bins=5)
    assert found["min"] == datetime(1970, 1, 1, tzinfo=UTC).isoformat()
    assert found["max"] == datetime(1970, 1, 4, 11, 19, tzinfo=UTC).isoformat()
    assert found["histogram"]["counts"] == [1_000] * 5


@pytest.mark.parametrize("dtype", [pa.int64(), pa.float64(), pa.string(), pa.bool_(), pa.timestamp("us", "UTC")])
@pytest.mark.parametrize("rows", [0, 3])
def test_a_column_without_values_has_nothing_to_show(dtype, rows):
    found = profile(pa.table({"x": pa.array([None] * rows, dtype)}))
    assert found["rows"] == rows
    assert found["columns"][0].keys() == {"name", "dtype", "nulls", "distinct"}


def test_values_that_are_not_finite_are_counted_not_averaged():
    found = described("x", pa.table({"x": [1.0, float("nan"), float("inf"), 3.0]}))
    assert (found["nan_or_inf"], found["mean"], found["max"]) == (2, 2.0, 3.0)
    assert described("x", pa.table({"x": [float("nan")]}))["nan_or_inf"] == 1


def test_one_outlier_does_not_flatten_the_picture():
    found = described("x", pa.table({"x": [*np.arange(999.0), 1e12]}), bins=10)
    assert found["histogram"]["edges"][-1] < 1_000
    assert found["histogram"]["above"] > 0
    assert min(found["histogram"]["counts"]) > 90


@settings(deadline=None)
@given(st.lists(st.none() | st.floats(), max_size=30), st.integers(1, 40))
@example([1.7976931348623157e308], 30)
@example([1.7976931348623155e308, -1.7976931348623157e308], 7)
def test_any_floats_can_be_described(values, bins):
    found = described("x", pa.table({"x": pa.array(values, pa.float64())}), bins=bins)
    json.dumps(found, allow_nan=False)
    finite = [value for value in values if value is not None and np.isfinite(value)]
    if finite:
        histogram = found["histogram"]
        assert sum(histogram["counts"]) + histogram["below"] + histogram["above"] == len(finite)
        assert (found["min"], found["max"]) == (min(finite), max(finite))


@settings(deadline=None)
@given(st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=30))
def test_any_integers_and_moments_can_be_described(values):
    moments = [value % (200 * 10**15) for value in values]
    table = pa.table({"n": pa.array(values), "t": pa.array(moments, pa.int64()).cast(pa.timestamp("us", "UTC"))})
    found = profile(table)
    json.dumps(found, allow_nan=False)
    for column in found["columns"]:
        histogram = column["histogram"]
        assert sum(histogram["counts"]) + histogram["below"] + histogram["above"] == len(values)
