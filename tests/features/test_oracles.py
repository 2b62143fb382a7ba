"""Windows, as-of lookups and calendar fields agree with Polars and DuckDB, which were written by others."""

from __future__ import annotations

import duckdb
import numpy as np
import polars as pl
import pyarrow as pa
import pytest

import headrace.features as hr
from headrace.data.types import table_dtypes

TIMESTAMP = pa.timestamp("us", "UTC")


@pytest.fixture
def events():
    """Events of 20 keys, some times equal, some values missing: whole numbers, so that sums have one value."""
    random = np.random.default_rng(7)
    n = 3000
    return pa.table(
        {
            "key": pa.array(random.integers(0, 20, n)),
            "at": pa.array(1_400_000_000_000_000 + random.integers(0, 4000, n) * 60_000_000, TIMESTAMP),
            "value": pa.array(
                [None if random.random() < 0.1 else int(v) for v in random.integers(-99, 99, n)], pa.int64()
            ),
        }
    )


def compute_windows(events):
    table = hr.EventTable("events", keys=["key"], event_time="at")
    values = {"value": [hr.Sum(), hr.Mean(), hr.Std(), hr.Min(), hr.Max(), hr.CountNonNull()], None: [hr.Count()]}
    features = [hr.windows(table, by="key", over=["1h", "5h"], values=values)]
    tables = {"events": events}
    plan = hr.compile_plan(
        hr.FeatureSet("x", spine=table, at="at", features=features), {"events": table_dtypes(events)}
    )
    return hr.compute(plan, tables)


@pytest.mark.parametrize("hours", [1, 5])
def test_windows_agree_with_duckdb(events, hours):
    """RANGE frames in whole microseconds, from q - width up to one before q."""
    span = f"INTERVAL {hours} HOUR PRECEDING AND INTERVAL 1 MICROSECOND PRECEDING"
    frame = f'(PARTITION BY key ORDER BY "at" RANGE BETWEEN {span})'
    functions = {
        "sum": "sum(value)", "mean": "avg(value)", "std": "stddev_samp(value)", "min": "min(value)",
        "max": "max(value)", "count_non_null": "count(value)", "count": "count(*)",
    }  # fmt: skip
    rows = events.append_column("row", pa.array(range(len(events))))
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone='UTC'")
        connection.register("numbered", rows)
        columns = ", ".join(f"{function} OVER {frame} AS {name}" for name, function in functions.items())
        expected = connection.sql(f"SELECT row, {columns} FROM numbered ORDER BY row").to_arrow_table()  # noqa: S608
    matrix = compute_windows(events)
    for name in functions:
        feature = f"key_count_{hours}h" if name == "count" else f"key_value_{name}_{hours}h"
        theirs = np.array([np.nan if v is None else float(v) for v in expected[name].to_pylist()])
        # theirs is float64 with rounding of its own; both are within float32's last digit
        np.testing.assert_allclose(matrix.column(feature), theirs, rtol=2e-7, atol=1e-6, equal_nan=True)


def test_windows_agree_with_polars(events):
    """Polars' rolling group_by with the window closed on the left and open on the right."""
    frame = pl.from_arrow(events).with_row_index("row").sort("at", maintain_order=True)
    spans = frame.rolling("at", period="5h", closed="left", offset="-5h", group_by="key").agg(
        pl.col("value").sum().alias("sum"), pl.col("value").max().alias("max"), pl.len().alias("count")
    )
    asked = frame.select("key", "at", "row").sort("key", "at", maintain_order=True)
    spans = spans.sort("key", "at", maintain_order=True).with_columns(asked["row"]).sort("row")
    matrix = compute_windows(events)
    np.testing.assert_array_equal(matrix.column("key_count_5h"), spans["count"].to_numpy())
    np.testing.assert_array_equal(
        matrix.column("key_value_max_5h"), spans["max"].cast(pl.Float32).fill_null(float("nan"))
    )
    some = spans["max"].is_not_null().to_numpy()
    np.testing.assert_array_equal(matrix.column("key_value_sum_5h")[some], spans["sum"].to_numpy()[some])


@pytest.mark.parametrize("tolerance", [None, "3h"])
def test_as_of_agrees_with_polars(events, tolerance):
    random = np.random.default_rng(8)
    moments = random.permutation(4000)[:500]  # no two alike: Polars does not say which of equal times wins
    states = pa.table(
        {
            "key": pa.array(random.integers(0, 20, 500)),
            "since": pa.array(1_400_000_000_000_000 + moments * 60_000_000, TIMESTAMP),
            "level": pa.array(random.normal(size=500)),
        }
    )
    asking = hr.EventTable("events", keys=["key"], event_time="at")
    table = hr.StateTable("states", keys=["key"], valid_from="since")
    tables = {"events": events, "states": states}
    features = [hr.as_of(table, "level", tolerance=tolerance)]
    plan = hr.compile_plan(
        hr.FeatureSet("x", spine=asking, at="at", features=features),
        {name: table_dtypes(t) for name, t in tables.items()},
    )
    left = pl.from_arrow(events).with_row_index("row").sort("at")
    joined = left.join_asof(
        pl.from_arrow(states).sort("since"), left_on="at", right_on="since", by="key", tolerance=tolerance,
        strategy="backward", check_sortedness=False,
    ).sort("row")  # fmt: skip
    theirs = joined["level"].cast(pl.Float32).fill_null(float("nan")).to_numpy()
    np.testing.assert_array_equal(hr.compute(plan, tables).column("states_level"), theirs)


@pytest.mark.parametrize("tz", ["America/New_York", "Europe/London", "Asia/Kathmandu", "Australia/Lord_Howe", "UTC"])
def test_calendar_fields_agree_with_polars(tz):
    """Across daylight saving changes in both directions, half-hour shifts and times before 1970."""
    moments = (
        np.concatenate([np.arange(1_350_000_000, 1_420_000_000, 987_654), np.arange(-(10**8), 10**8, 7_654_321)])
        * 10**6
    )
    events = pa.table({"at": pa.array(moments + 123, TIMESTAMP), "key": [1] * len(moments)})
    spine = hr.EventTable("events", keys=["key"], event_time="at")
    fields = ["minute", "minute_of_day", "hour", "weekday", "day", "month", "day_of_year"]
    features = [hr.calendar("at", fields, tz=tz), hr.cyclic("at", "month", tz=tz)]
    plan = hr.compile_plan(
        hr.FeatureSet("x", spine=spine, at="at", features=features), {"events": table_dtypes(events)}
    )
    matrix = hr.compute(plan, {"events": events})
    local = pl.from_arrow(events)["at"].dt.convert_time_zone(tz).dt
    theirs = {
        "minute": local.minute(), "minute_of_day": local.hour().cast(pl.Int64) * 60 + local.minute(),
        "hour": local.hour(), "weekday": local.weekday() - 1, "day": local.day(), "month": local.month(),
        "day_of_year": local.ordinal_day(),
    }  # fmt: skip
    for name in fields:
        np.testing.assert_array_equal(matrix.column(f"at_{name}"), theirs[name].to_numpy(), err_msg=name)
    angle = 2 * np.pi * (theirs["month"].to_numpy().astype(np.float64) - 1) / 12
    np.testing.assert_allclose(matrix.column("at_month_sin"), np.sin(angle), atol=1e-7)
    np.testing.assert_allclose(matrix.column("at_month_cos"), np.cos(angle), atol=1e-7)
