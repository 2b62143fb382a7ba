"""Rolling windows: 18 features (count, sum, mean, std, min, max over 1 h, 24 h, 7 d) of events by key.

Against Polars (`rolling` with `group_by`, its fastest way) and DuckDB (RANGE frames). Everybody gets an Arrow table in
random order; sorting and grouping are part of the work. The rivals give tables in the order they sorted to, Headrace a
matrix in the table's own order; once into fresh memory, once into memory that is used again (`out=`), because the first
touch of fresh memory costs as much as the arithmetic. Values are multiples of 1/64, so that every correct sum is the
same number. Checked before and after timing: counts, sums, minima and maxima equal, means and deviations within
float32's last digits.

    python benchmarks/bench_windows.py [--smoke] [--output build/bench/windows.json]
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

WIDTHS = {"1h": 1, "24h": 24, "7d": 168}
STATISTICS = ("count", "sum", "mean", "std", "min", "max")
NAMES = tuple(f"{statistic}_{width}" for width in WIDTHS for statistic in STATISTICS)
THREADS = 2
DAYS = 60
Answer = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Size:
    """How many events of how many keys, how often each contender runs, and against whom."""

    events: int
    keys: int
    rounds: int
    rivals: tuple[str, ...] = ("polars",)


FULL = (
    Size(200_000, 5_000, 5, ("polars", "duckdb")),
    Size(2_000_000, 50_000, 9),
    Size(2_000_000, 50_000, 1, ("duckdb",)),
    Size(10_000_000, 1_000_000, 5),
)
SMOKE = (Size(5_000, 50, 2, ("polars", "duckdb")),)


def make_events(size: Size) -> pa.Table:
    """Events in random order, 60 days, some keys far more often than others; no (key, time) twice."""
    random = np.random.default_rng(11)
    key = (random.random(size.events) ** 2 * size.keys).astype(np.int64)
    at = 1_400_000_000_000_000 + random.permutation(size.events) * (DAYS * 86_400_000_000 // size.events)
    value = np.round(random.lognormal(2, 1, size.events) * 64) / 64
    return pa.table({"key": key, "moment": pa.array(at, pa.timestamp("us", "UTC")), "value": value})


def make_plan(events: pa.Table) -> hr.FeaturePlan:
    """The 18 features, as a user would write them."""
    table = hr.EventTable("events", keys=["key"], event_time="moment")
    values = {None: [hr.Count()], "value": [hr.Sum(), hr.Mean(), hr.Std(), hr.Min(), hr.Max()]}
    features = [hr.windows(table, by="key", over=list(WIDTHS), values=values)]
    feature_set = hr.FeatureSet("windows", spine=table, at="moment", features=features)
    return hr.compile_plan(feature_set, {"events": table_dtypes(events)})


def run_headrace(plan: hr.FeaturePlan, events: pa.Table, threads: int, out: Any = None) -> hr.FeatureMatrix:
    """Arrow in, matrix out."""
    return hr.compute(plan, {"events": events}, threads=threads, out=out)


def run_polars(events: pa.Table) -> dict[str, pl.DataFrame]:
    """One rolling aggregation a width, on all threads."""
    frame = pl.from_arrow(events).sort("key", "moment")
    value = pl.col("value")
    return {
        width: frame.rolling("moment", period=f"{hours}h", offset=f"-{hours}h", closed="left", group_by="key").agg(
            pl.len().alias("count"), value.sum().alias("sum"), value.mean().alias("mean"), value.std().alias("std"),
            value.min().alias("min"), value.max().alias("max"),
        )
        for width, hours in WIDTHS.items()
    }  # fmt: skip


def run_duckdb(events: pa.Table) -> pa.Table:
    """One query with a named frame a width."""
    functions = {
        "count": "count(*)", "sum": "sum(value)", "mean": "avg(value)", "std": "stddev_samp(value)",
        "min": "min(value)", "max": "max(value)",
    }  # fmt: skip
    columns = [
        f"{functions[statistic]} OVER w{width} AS {statistic}_{width}" for width in WIDTHS for statistic in STATISTICS
    ]
    frames = [
        f"w{width} AS (PARTITION BY key ORDER BY moment RANGE BETWEEN INTERVAL {hours} HOUR PRECEDING "
        "AND INTERVAL 1 MICROSECOND PRECEDING)"
        for width, hours in WIDTHS.items()
    ]
    with duckdb.connect(config={"threads": THREADS}) as connection:
        connection.register("events", events)
        query = f"SELECT key, moment, {', '.join(columns)} FROM events WINDOW {', '.join(frames)}"  # noqa: S608
        return connection.sql(query).to_arrow_table()


def as_answer(name: str, result: Any, order: npt.NDArray[np.int64]) -> Answer:
    """Every contender's result as float64[n, 18] by (key, moment); an empty window has count 0 and no other value."""
    if name.startswith("headrace"):
        columns = [result.column(f"key_count_{w}" if s == "count" else f"key_value_{s}_{w}") for s, w in _parts()]
        return np.stack(columns, axis=1).astype(np.float64)[order]
    if name == "polars":
        answer = np.stack([result[w][s].cast(pl.Float64).fill_null(np.nan).to_numpy() for s, w in _parts()], axis=1)
    else:
        frame = pl.from_arrow(result).sort("key", "moment")
        answer = np.stack([frame[n].cast(pl.Float64).fill_null(np.nan).to_numpy() for n in NAMES], axis=1)
    for column, (statistic, width) in enumerate(_parts()):
        if statistic == "sum":  # Polars says 0.0 for an empty window
            answer[answer[:, NAMES.index(f"count_{width}")] == 0, column] = np.nan
    return answer


def check(order: npt.NDArray[np.int64], answers: Mapping[str, Any]) -> None:
    """Counts, sums, minima and maxima equal after rounding to float32; means and deviations to its last digits."""
    plain = {name: as_answer(name, result, order) for name, result in answers.items()}
    ours = plain["headrace, 2 threads"]
    for name, theirs in plain.items():
        for column, (statistic, _) in enumerate(_parts()):
            tolerance = 0.0 if statistic in {"count", "min", "max"} else 3e-7
            expected = theirs[:, column].astype(np.float32).astype(np.float64)
            np.testing.assert_allclose(
                ours[:, column],
                expected,
                rtol=tolerance,
                atol=1e-5 * (statistic == "std"),
                err_msg=f"{name} {NAMES[column]}",
            )


def compare(size: Size) -> Measurement:
    """Measure one size."""
    events = make_events(size)
    plan = make_plan(events)
    order = np.lexsort((events["moment"].to_numpy().astype(np.int64), events["key"].to_numpy()))
    again = np.zeros((size.events, len(NAMES)), dtype=np.float32)
    rivals = {"polars": run_polars, "duckdb": run_duckdb}
    contenders = [
        *[Contender(name, partial(rivals[name], events)) for name in size.rivals],
        Contender("headrace, 2 threads", partial(run_headrace, plan, events, THREADS)),
        Contender("headrace, 2 threads, out=", partial(run_headrace, plan, events, THREADS, again)),
        Contender("headrace, 1 thread", partial(run_headrace, plan, events, 1)),
    ]
    title = f"18 rolling features, {size.events:,} events, {size.keys:,} keys"
    return measure(
        contenders, title=title, check=partial(check, order), work=Work(size.events, "event"), rounds=size.rounds
    )


def _parts() -> list[tuple[str, str]]:
    return [(statistic, width) for width in WIDTHS for statistic in STATISTICS]


if __name__ == "__main__":
    threads = {"polars_threads": pl.thread_pool_size(), "threads": THREADS}
    measure_sizes("windows", __doc__, compare, full=FULL, smoke=SMOKE, facts=threads)
