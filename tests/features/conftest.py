"""A small world of flights, with everything that goes wrong in a large one, and a plain-Python recomputation of it."""

from __future__ import annotations

import importlib.util
import math
import statistics
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

import headrace.features as hr
from headrace.data.types import table_dtypes

HOUR_US = 3_600_000_000
FIRST_US = 1_362_700_800_000_000  # 2013-03-08, two days before clocks change in New York
TIMESTAMP = pa.timestamp("us", "UTC")


def make_world(seed=0, *, n_flights=120, days=5):
    """Tables with null and repeated keys, equal times, cancelled flights, NaN and Inf, rows in no order."""
    random = np.random.default_rng(seed)

    def pick(values, n, nulls=0.1):
        return [None if random.random() < nulls else values[index] for index in random.integers(0, len(values), n)]

    def times(n, step_us=HOUR_US // 4):
        return FIRST_US + random.integers(0, days * 24 * HOUR_US // step_us, n) * step_us

    departs = times(n_flights)
    landed = departs + random.integers(1, 30, n_flights) * HOUR_US // 4
    cancelled = random.random(n_flights) < 0.1
    delays = random.integers(-30, 200, n_flights)
    fuel = random.choice(
        [0.1, -0.0, 1e6, math.nan, math.inf, -math.inf, 3.25], n_flights, p=[0.3, 0.1, 0.1, 0.05, 0.04, 0.01, 0.4]
    )
    flights = pa.table(
        {
            "flight_id": [f"f{row}" for row in range(n_flights)],
            "origin": pick(["JFK", "LGA", "EWR"], n_flights, 0),
            "carrier": pa.array(pick([7, 8, 9], n_flights), pa.int64()),
            "tailnum": pick([f"N{number}" for number in range(12)], n_flights),
            "departs_at": pa.array(departs, TIMESTAMP),
            "arrives_at": pa.array([None if c else int(t) for c, t in zip(cancelled, landed, strict=True)], TIMESTAMP),
            "arr_delay": pa.array([None if c else int(d) for c, d in zip(cancelled, delays, strict=True)], pa.int64()),
            "fuel": pa.array([None if random.random() < 0.1 else value for value in fuel], pa.float64()),
            "distance": random.integers(100, 3000, n_flights),
            "charter": pick([True, False], n_flights),
        }
    )
    n_weather = n_flights // 2
    weather = pa.table(
        {
            "origin": pick(["JFK", "LGA"], n_weather),
            "observed_at": pa.array(times(n_weather, HOUR_US), TIMESTAMP),
            "temp": pa.array(pick([-3.5, 0.1, 20.0], n_weather), pa.float64()),
            "visib": random.integers(0, 10, n_weather),
        }
    )
    planes = pa.table(
        {
            "tailnum": [f"N{number}" for number in (0, 1, 2, 3, 4, 4, 9)],
            "year": [1999, 2001, None, 1985, 1, 2010, 2012],
            "seats": [*range(7)],
        }
    )
    return {"flights": flights, "weather": weather, "planes": planes}


def make_feature_set():
    keys = ["origin", "carrier", "tailnum"]
    flights = hr.EventTable("flights", keys=keys, event_time="departs_at", available_at="arrives_at", resolution=2**-20)
    landings = hr.EventTable(
        "landings",
        source=hr.table("flights"),
        keys=keys,
        event_time="arrives_at",
        available_at="arrives_at",
        delay="20m",
    )
    starts = hr.EventTable("starts", source=hr.table("flights"), keys=keys, event_time="departs_at", resolution=2**-20)
    weather = hr.StateTable("weather", keys=["origin"], valid_from="observed_at", delay="30m")
    planes = hr.StateTable("planes", keys=["tailnum"])
    everything = [hr.Mean(), hr.Sum(), hr.Var(), hr.Std(), hr.Min(), hr.Max(), hr.CountNonNull()]
    everything += [hr.Share(above=15), hr.Share(above=0.5)]
    fuel, delay = {"fuel": everything}, {"arr_delay": [hr.Max()]}
    over = ["1h", "6h", "2d"]
    return hr.FeatureSet(
        "departures",
        spine=flights,
        at="departs_at - 2h",
        row_id="flight_id",
        features=[
            hr.windows(landings, by="origin", over=over, values={"arr_delay": everything, None: [hr.Count()]}),
            hr.windows(landings, by="tailnum", over=["2d"], values={"charter": [hr.Mean()]}),
            hr.windows(flights, by=["origin", "carrier"], over=over, values=fuel | delay, prefix="known"),
            hr.windows(starts, by="carrier", over=over, values={None: [hr.Count()]} | fuel),
            hr.as_of(weather, ["temp", "visib"], tolerance="6h"),
            hr.as_of(weather, ["temp"], prefix="old_weather"),
            hr.lookup(planes, ["seats"]),
            hr.calendar("departs_at", ["hour", "weekday", "day_of_year"], tz="America/New_York"),
            hr.cyclic("departs_at", "hour", tz="America/New_York"),
            hr.request("distance"),
            hr.column("charter"),
            (hr.query_time().year() - planes["year"]).named("aircraft_age"),
            ((weather["temp"] < 0) & hr.column("charter")).named("cold_charter"),
        ],
    )  # fmt: skip


class Naive:
    """A feature of one row, from Python lists, one event after the other."""

    def __init__(self, plan, tables):
        self.plan = plan
        self.rows = {name: table.to_pylist() for name, table in tables.items()}

    def value(self, row, feature):
        step = self.plan.feature(feature).step
        spine = self.rows[self.plan.spine][row]
        now = spine[self.plan.at.column] + timedelta(microseconds=self.plan.at.offset_us)
        view = self.plan.event_views[step.view]
        delay = timedelta(microseconds=view.delay_us)
        seen = []
        for event in self.rows[view.table]:
            time, known = event[view.event_time], event[view.available_at or view.event_time]
            if time is None or known is None or any(spine[on] is None for on in step.on):
                continue
            same = all(event[by] == spine[on] for by, on in zip(step.by, step.on, strict=True))
            if same and known + delay <= now and now - timedelta(microseconds=step.span.width_us) <= time < now:
                seen.append(event)
        if not step.columns:
            return float(len(seen))
        column = step.columns[0].name
        return naive_statistic([event[column] for event in seen if event[column] is not None], step)


def naive_statistic(values, step):  # noqa: PLR0911  # one line a statistic
    """The statistic of a list of numbers, by Python's own means; sums round to the step's resolution."""
    count, scale = len(values), 2 ** step.resolution_bits[0]
    if step.statistic == "count_non_null":
        return float(count)
    if count == 0 or any(math.isnan(value) for value in values):
        return math.nan
    if step.statistic in {"min", "max"}:
        return float({"min": min, "max": max}[step.statistic](values)) + 0.0
    if step.statistic == "share":
        return sum(value > step.parameter for value in values) / count
    infinite = {value for value in values if math.isinf(value)}
    if infinite and (len(infinite) > 1 or step.statistic in {"var", "std"}):
        return math.nan
    if infinite:
        return infinite.pop()
    integers = [round(value * scale) for value in values]
    if step.statistic in {"sum", "mean"}:
        return sum(integers) / (1 if step.statistic == "sum" else count) / scale
    if count < 2:
        return math.nan
    return {"var": statistics.variance, "std": statistics.stdev}[step.statistic]([value / scale for value in integers])


def same_bits(left, right):
    """Whether two float32 arrays are equal bit for bit, NaN being one value."""
    left, right = np.ascontiguousarray(left, np.float32), np.ascontiguousarray(right, np.float32)
    return left.shape == right.shape and bool(
        ((left.view(np.uint32) == right.view(np.uint32)) | (np.isnan(left) & np.isnan(right))).all()
    )


@pytest.fixture
def world():
    """Makes worlds: `world(seed)` gives tables by name."""
    return make_world


@pytest.fixture
def tables():
    return make_world(1)


@pytest.fixture
def schemas(tables):
    return {name: table_dtypes(table) for name, table in tables.items()}


@pytest.fixture
def feature_set():
    return make_feature_set()


@pytest.fixture
def plan(feature_set, schemas):
    return hr.compile_plan(feature_set, schemas)


@pytest.fixture
def naive(plan):
    """Recomputes in plain Python: `naive(tables).value(row, feature)`."""
    return lambda tables: Naive(plan, tables)


@pytest.fixture
def equal():
    """Whether two float32 arrays are equal bit for bit, NaN being one value."""
    return same_bits


@pytest.fixture
def microseconds():
    """Moment as microseconds since 1970."""
    return lambda *parts: int(datetime(*parts, tzinfo=UTC).timestamp()) * 1_000_000


@pytest.fixture(scope="session")
def payments_world():
    """The module `payments_world.py`: a feature set with one of everything."""
    spec = importlib.util.spec_from_file_location("payments_world", Path(__file__).parent / "payments_world.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def payments_plan(payments_world):
    return payments_world.compile_payments()
