"""Which events a window holds, and what was last known, as Polars, DuckDB, pandas and dateutil find them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from dateutil import tz as zones
from dateutil.relativedelta import relativedelta

import headrace.features as hr
from headrace.data.types import table_dtypes

TIMESTAMP = pa.timestamp("us", "UTC")
MINUTE_US = 60_000_000
FIRST_US = 1_400_000_000_000_000
CLOSED = ["left", "right", "both", "none"]
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def make_events(seed=7, *, rows=3000, keys=12, ties=True):
    """Rows in no order; values are multiples of 1/64, so that any order of adding gives one sum."""
    random = np.random.default_rng(seed)
    minutes = random.integers(0, 2000, rows) if ties else random.permutation(20 * rows)[:rows]
    values = random.integers(-6400, 6400, rows) / 64
    return pa.table(
        {
            "row": pa.array(range(rows)),
            "key": pa.array(random.integers(0, keys, rows)),
            "at": pa.array(FIRST_US + minutes * MINUTE_US, TIMESTAMP),
            "value": pa.array([None if random.random() < 0.1 else float(v) for v in values], pa.float64()),
        }
    )


def compute(events, *features, at="at", **tables):
    table = hr.EventTable("events", keys=["key"], event_time="at")
    tables = {"events": events, **tables}
    plan = hr.compile_plan(
        hr.FeatureSet("x", spine=table, at=at, features=features),
        {name: table_dtypes(t) for name, t in tables.items()},
    )
    return hr.compute(plan, tables)


def single(events, feature, **tables):
    """The column of the only feature."""
    matrix = compute(events, feature, **tables)
    return matrix.column(*matrix.names)


def windows(over, values, **how):
    return hr.windows(hr.EventTable("events", keys=["key"], event_time="at"), by="key", over=over, values=values,
                      prefix="w", **how)  # fmt: skip


def float32(column):
    """A column of others as the matrix would hold it."""
    values = column.to_pylist() if hasattr(column, "to_pylist") else column.to_list()
    return np.array([np.nan if v is None else float(v) for v in values], dtype=np.float64).astype(np.float32)


VALUES = {"value": [hr.Sum(), hr.Mean(), hr.Min(), hr.Max(), hr.CountNonNull(), hr.Median()], None: [hr.Count()]}


@pytest.mark.parametrize("closed", CLOSED)
@pytest.mark.parametrize("minutes", [30, 300])
def test_bounds_are_those_of_duckdb(closed, minutes):
    events = make_events()
    begin = f"INTERVAL {minutes * MINUTE_US - (closed in {'right', 'none'})} MICROSECOND PRECEDING"
    end = "CURRENT ROW" if closed in {"right", "both"} else "INTERVAL 1 MICROSECOND PRECEDING"
    functions = {
        "w_value_sum": "sum(value)", "w_value_mean": "avg(value)", "w_value_min": "min(value)",
        "w_value_max": "max(value)", "w_value_count_non_null": "count(value)", "w_count": "count(*)",
        "w_value_median": "quantile_cont(value, 0.5)",
    }  # fmt: skip
    frame = f'(PARTITION BY key ORDER BY "at" RANGE BETWEEN {begin} AND {end})'
    columns = ", ".join(f"{function} OVER {frame} AS {name}" for name, function in functions.items())
    theirs = run_duckdb(f"SELECT row, {columns} FROM events ORDER BY row", events=events)  # noqa: S608
    matrix = compute(events, windows(f"{minutes}m", VALUES, closed=closed))
    for name in functions:
        np.testing.assert_array_equal(matrix.column(f"{name}_{minutes}m"), float32(theirs[name]), err_msg=name)


@pytest.mark.parametrize("closed", CLOSED)
@pytest.mark.parametrize("minutes", [30, 300])
def test_bounds_are_those_of_polars(closed, minutes):
    """All but sums of empty windows, which Polars calls 0."""
    events = make_events()
    matrix = compute(events, windows(f"{minutes}m", VALUES, closed=closed))
    frame = pl.from_arrow(events).sort("key", "at", maintain_order=True)
    value = pl.col("value")
    spans = frame.rolling("at", period=f"{minutes}m", closed=closed, group_by="key").agg(
        value.sum().alias("w_value_sum"), value.mean().alias("w_value_mean"), value.min().alias("w_value_min"),
        value.max().alias("w_value_max"), value.count().alias("w_value_count_non_null"), pl.len().alias("w_count"),
        value.median().alias("w_value_median"),
    )  # fmt: skip
    spans = spans.with_columns(frame["row"]).sort("row")
    some = spans["w_value_count_non_null"].to_numpy() > 0
    assert some.any()
    for name in spans.columns[2:-1]:
        ours, theirs = matrix.column(f"{name}_{minutes}m"), float32(spans[name])
        kept = some if name == "w_value_sum" else np.ones(len(some), dtype=bool)
        np.testing.assert_array_equal(ours[kept], theirs[kept], err_msg=name)


@pytest.mark.parametrize("newest", [1, 4, 100])
def test_the_last_events_are_those_of_duckdb(newest):
    events = make_events(ties=False)
    over = f'(PARTITION BY key ORDER BY "at" ROWS BETWEEN {newest} PRECEDING AND 1 PRECEDING)'
    names = {"w_count": "count(*)", "w_value_sum": "sum(value)", "w_value_max": "max(value)"}
    columns = ", ".join(f"{function} OVER {over} AS {name}" for name, function in names.items())
    theirs = run_duckdb(f"SELECT row, {columns} FROM events ORDER BY row", events=events)  # noqa: S608
    matrix = compute(events, windows(hr.last(newest), {"value": [hr.Sum(), hr.Max()], None: [hr.Count()]}))
    for name in names:
        np.testing.assert_array_equal(matrix.column(f"{name}_last_{newest}"), float32(theirs[name]), err_msg=name)


def test_everything_so_far_is_what_pandas_and_polars_accumulate():
    events = make_events(ties=False)
    statistics = [hr.Sum(), hr.Mean(), hr.Max(), hr.Var()]
    matrix = compute(events, windows(hr.expanding(), {"value": statistics, None: [hr.Count()]}))
    frame = events.to_pandas().sort_values("at")
    before = frame.groupby("key")["value"].shift(1)  # pandas counts the row itself
    grown = before.groupby(frame["key"]).expanding()
    for name in ("sum", "mean", "max"):
        theirs = getattr(grown, name)().droplevel(0).sort_index().to_numpy().astype(np.float32)
        np.testing.assert_array_equal(matrix.column(f"w_value_{name}_ever"), theirs, err_msg=name)
    theirs = grown.var().droplevel(0).sort_index().to_numpy()
    np.testing.assert_allclose(matrix.column("w_value_var_ever"), theirs, rtol=1e-6, equal_nan=True)
    polars = pl.from_arrow(events).sort("at")
    polars = polars.with_columns(
        (pl.col("at").cum_count() - 1).over("key").alias("count"),
        pl.col("value").shift(1).cum_max().forward_fill().over("key").alias("max"),
    ).sort("row")
    np.testing.assert_array_equal(matrix.column("w_count_ever"), float32(polars["count"]))
    np.testing.assert_array_equal(matrix.column("w_value_max_ever"), float32(polars["max"]))


@pytest.mark.parametrize("gap", [10, 240, 241])
def test_sessions_are_the_islands_of_polars(gap):
    """A row's session goes on where it lies at most a gap after the one before: its window is what came before it."""
    events = make_events(ties=False)
    matrix = compute(events, windows(hr.session(f"{gap}m"), {"value": [hr.Sum(empty=0)], None: [hr.Count()]}))
    frame = pl.from_arrow(events).sort("key", "at").with_columns(
        (pl.col("at").diff() > timedelta(minutes=gap)).fill_null(value=True).cum_sum().over("key").alias("session")
    )  # fmt: skip
    value = pl.col("value").fill_null(0)
    frame = frame.with_columns(
        (pl.col("at").cum_count() - 1).over("key", "session").alias("count"),
        (value.cum_sum() - value).over("key", "session").alias("sum"),
    ).sort("row")
    np.testing.assert_array_equal(matrix.column(f"w_count_session_{label(gap)}"), float32(frame["count"]))
    np.testing.assert_array_equal(matrix.column(f"w_value_sum_session_{label(gap)}"), float32(frame["sum"]))


def label(minutes):
    return f"{minutes // 60}h" if minutes % 60 == 0 else f"{minutes}m"


ZONES = ["UTC", "America/New_York", "Europe/Berlin", "Australia/Lord_Howe", "Asia/Kathmandu", "Africa/Cairo"]


def hourly(first, days):
    """Every half hour of some days, one key: whatever the bound is, the number of events tells it."""
    start = int(first.timestamp()) * 1_000_000
    moments = start + np.arange(days * 48) * 30 * MINUTE_US
    return pa.table({"key": pa.array(np.ones(len(moments), np.int64)), "at": pa.array(moments, TIMESTAMP)})


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize(
    ("length", "back"),
    [("1mo", relativedelta(months=1)), ("1d", relativedelta(days=1)), ("2w", relativedelta(weeks=2)),
     ("1y", relativedelta(years=1))],
)  # fmt: skip
def test_calendar_windows_begin_where_dateutil_says(zone, length, back):
    """Across both changes of the clock, the ends of months and a 29 February."""
    events = hourly(datetime(2023, 2, 20, tzinfo=UTC), 420)
    span = hr.calendar_window(length, tz=zone)
    ours = single(events, windows(span, {None: [hr.Count()]}))
    clock = zones.gettz(zone)
    times = pa.array(events["at"].cast(pa.int64())).to_numpy()
    for row in range(0, len(times), 7):
        now = EPOCH + timedelta(microseconds=int(times[row]))
        local = now.astimezone(clock).replace(tzinfo=None, fold=0) - back
        start = zones.resolve_imaginary(local.replace(tzinfo=clock, fold=0)).astimezone(UTC)
        start_us = (start - EPOCH) // timedelta(microseconds=1)
        assert ours[row] == np.count_nonzero((times >= start_us) & (times < times[row])), now


@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "Europe/Berlin", "Asia/Kathmandu"])
def test_calendar_windows_begin_where_polars_offsets_to(zone):
    events = hourly(datetime(2024, 4, 2, 12, tzinfo=UTC), 150)  # no clock changes in reach
    spans = {"1mo": hr.calendar_window("1mo", tz=zone), "3d": hr.calendar_window("3d", tz=zone)}
    frame = pl.from_arrow(events).with_columns(pl.col("at").dt.convert_time_zone(zone).alias("local"))
    times = events["at"].cast(pa.int64()).to_numpy()
    for length, span in spans.items():
        ours = single(events, windows(span, {None: [hr.Count()]}))
        starts = frame["local"].dt.offset_by(f"-{length}").dt.convert_time_zone("UTC").cast(pl.Int64).to_numpy()
        theirs = np.arange(len(times)) - np.searchsorted(times, starts)
        np.testing.assert_array_equal(ours, theirs, err_msg=length)


@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "Europe/Berlin", "Asia/Kathmandu"])
@pytest.mark.parametrize(("field", "every"), [("day", "1d"), ("week", "1w"), ("month", "1mo"), ("year", "1y")])
def test_to_date_windows_begin_where_polars_truncates(zone, field, every):
    events = hourly(datetime(2023, 10, 1, tzinfo=UTC), 200)
    ours = single(events, windows(hr.to_date(field, tz=zone), {None: [hr.Count()]}))
    local = pl.from_arrow(events)["at"].dt.convert_time_zone(zone).dt.truncate(every)
    starts = local.dt.convert_time_zone("UTC").cast(pl.Int64).to_numpy()
    times = events["at"].cast(pa.int64()).to_numpy()
    np.testing.assert_array_equal(ours, np.arange(len(times)) - np.searchsorted(times, starts))


def make_states(seed=8, rows=400):
    random = np.random.default_rng(seed)
    moments = random.permutation(2000)[:rows]  # no two alike: others do not say which of equal times wins
    return pa.table(
        {
            "key": pa.array(random.integers(0, 12, rows)),
            "since": pa.array(FIRST_US + moments * MINUTE_US, TIMESTAMP),
            "level": pa.array(random.normal(size=rows)),
        }
    )


@pytest.mark.parametrize("tolerance", [None, "40m", "10h"])
@pytest.mark.parametrize("delay", ["0s", "25m"])
def test_states_are_those_of_polars_and_duckdb(tolerance, delay):
    """Known later is, for others, valid later; a tolerance counts from when a state held."""
    events, states = make_events(), make_states()
    table = hr.StateTable("states", keys=["key"], valid_from="since", delay=delay)
    ours = single(events, hr.as_of(table, "level", tolerance=tolerance), states=states)
    late = timedelta(minutes=25 if delay == "25m" else 0)
    right = pl.from_arrow(states).with_columns((pl.col("since") + late).alias("known")).sort("known")
    joined = pl.from_arrow(events).sort("at").join_asof(
        right, left_on="at", right_on="known", by="key", strategy="backward", check_sortedness=False,
        coalesce=False,
    ).sort("row")  # fmt: skip
    if tolerance is not None:
        oldest = timedelta(minutes={"40m": 40, "10h": 600}[tolerance])
        joined = joined.with_columns(pl.when(pl.col("at") - pl.col("since") <= oldest).then("level").alias("level"))
    np.testing.assert_array_equal(ours, float32(joined["level"]))
    known = right.to_arrow()
    query = "SELECT e.row, s.level, s.since FROM events e ASOF LEFT JOIN known s ON e.key = s.key AND e.at >= s.known"
    theirs = run_duckdb(f"{query} ORDER BY e.row", events=events, known=known)
    if tolerance is None:
        np.testing.assert_array_equal(ours, float32(theirs["level"]))


def run_duckdb(query, **tables):
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone='UTC'")
        for name, table in tables.items():
            connection.register(name, table)
        return connection.sql(query).to_arrow_table()


def test_pandas_rolls_the_same_windows():
    """With closed="left" and a time offset, key by key."""
    events = make_events()
    matrix = compute(events, windows("5h", {"value": [hr.Sum(), hr.Median()]}))
    frame = events.to_pandas().sort_values("at", kind="stable").set_index("at")
    for name in ("sum", "median"):
        pieces = [
            pd.Series(getattr(group["value"].rolling("5h", closed="left"), name)().to_numpy(), index=group["row"])
            for _, group in frame.groupby("key")
        ]
        theirs = pd.concat(pieces).sort_index().to_numpy().astype(np.float32)
        # of rows with one time pandas lets later ones see earlier ones: only those without are compared
        alone = ~frame.reset_index().sort_values("row")[["key", "at"]].duplicated(keep=False).to_numpy()
        np.testing.assert_array_equal(matrix.column(f"w_value_{name}_5h")[alone], theirs[alone], err_msg=name)
