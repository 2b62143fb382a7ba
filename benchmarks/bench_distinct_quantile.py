"""Distinct counts and quantiles over sliding windows, beside DuckDB's window functions.

Every row of the table is an event and a query; windows are [q - width, q). From an Arrow table to a matrix; dictionary
encoding and grouping are part of the work. Checked before and after timing: distinct counts equal, quantiles within
float32's last digit.

    python benchmarks/bench_distinct_quantile.py [--smoke] [--output build/bench/distinct_quantile.json]
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import duckdb
import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa
from measure import Contender, Measurement, Work, measure, measure_sizes

import headrace.features as hr
from headrace.data import table_dtypes

HOUR_US = 3_600_000_000
DAYS = 60
THREADS = 2
PROBABILITIES = (0.5, 0.95)


@dataclass(frozen=True)
class Size:
    """How many events of how many keys over which window, how many categories, and how often each contender runs."""

    events: int
    keys: int
    hours: int
    categories: int = 1000
    rounds: int = 5
    with_duckdb: bool = True

    @property
    def title(self) -> str:
        """Size and window, for the table."""
        return f"{self.events:,} events, {self.keys:,} keys, {self.hours} h"


FULL = tuple(Size(200_000, keys, hours) for keys in (5_000, 20) for hours in (1, 24, 720))
SMOKE = (Size(5_000, 50, 24, rounds=2), Size(5_000, 2, 720, rounds=2))


def make_events(size: Size) -> pa.Table:
    """Events in random order, 60 days, some keys far more often than others; no (key, time) twice."""
    random = np.random.default_rng(11)
    key = (random.random(size.events) ** 2 * size.keys).astype(np.int64)
    at = 1_400_000_000_000_000 + random.permutation(size.events) * (DAYS * 24 * HOUR_US // size.events)
    category = (random.random(size.events) ** 3 * size.categories).astype(np.int64)
    value = np.round(random.lognormal(2, 1, size.events) * 64) / 64
    return pa.table(
        {"key": key, "moment": pa.array(at, pa.timestamp("us", "UTC")), "category": category, "value": value}
    )


def make_plan(events: pa.Table, hours: int, what: str) -> hr.FeaturePlan:
    """The features, as a user would write them."""
    table = hr.EventTable("events", keys=["key"], event_time="moment")
    values = {
        "distinct": {"category": [hr.Distinct()]},
        "quantiles": {"value": [hr.Quantile(probability) for probability in PROBABILITIES]},
    }[what]
    features = [hr.windows(table, by="key", over=f"{hours}h", values=values)]
    return hr.compile_plan(
        hr.FeatureSet("windows", spine=table, at="moment", features=features), {"events": table_dtypes(events)}
    )


def run_duckdb(events: pa.Table, hours: int, what: str) -> pa.Table:
    """One query with one named frame."""
    functions = {
        "distinct": ["count(DISTINCT category)"],
        "quantiles": [f"quantile_cont(value, {probability})" for probability in PROBABILITIES],
    }[what]
    columns = ", ".join(f"{function} OVER w AS c{index}" for index, function in enumerate(functions))
    with duckdb.connect(config={"threads": THREADS}) as connection:
        connection.register("events", events)
        return connection.sql(
            f"SELECT key, moment, {columns} FROM events WINDOW w AS (PARTITION BY key ORDER BY moment "  # noqa: S608
            f"RANGE BETWEEN INTERVAL {hours} HOUR PRECEDING AND INTERVAL 1 MICROSECOND PRECEDING)"
        ).to_arrow_table()


def check(order: npt.NDArray[np.int64], answers: Mapping[str, Any]) -> None:
    """Counts equal; quantiles as far as a float32 goes (DuckDB interpolates with another rounding)."""
    ours = answers["headrace, 2 threads"].values[order]
    for name, answer in answers.items():
        if name.startswith("headrace"):
            theirs = answer.values[order]
        else:
            frame = pl.from_arrow(answer).sort("key", "moment")
            columns = [frame[f"c{column}"].cast(pl.Float64).fill_null(np.nan) for column in range(ours.shape[1])]
            theirs = np.stack([column.to_numpy().astype(np.float32) for column in columns], axis=1)
        np.testing.assert_allclose(ours, theirs, rtol=1.2e-7, err_msg=name)


def compare(size: Size, what: str) -> Measurement:
    """Measure one size."""
    events = make_events(size)
    order = np.lexsort((events["moment"].to_numpy().astype(np.int64), events["key"].to_numpy()))
    plan = make_plan(events, size.hours, what)
    contenders = [
        Contender("duckdb", partial(run_duckdb, events, size.hours, what)),
        Contender("headrace, 2 threads", partial(hr.compute, plan, {"events": events}, threads=THREADS)),
        Contender("headrace, 1 thread", partial(hr.compute, plan, {"events": events}, threads=1)),
    ]
    return measure(
        contenders, title=f"{what}, {size.title}", check=partial(check, order), work=Work(size.events, "event"),
        rounds=size.rounds,
    )  # fmt: skip


if __name__ == "__main__":
    sizes = [(size, what) for what in ("distinct", "quantiles") for size in FULL]
    small = [(size, what) for what in ("distinct", "quantiles") for size in SMOKE]
    facts = {"threads": THREADS, "probabilities": list(PROBABILITIES)}
    measure_sizes("distinct_quantile", __doc__, lambda pair: compare(*pair), full=sizes, smoke=small, facts=facts)
