"""As-of joins: three columns of the last state of a key known at each row's time, no older than a day.

Against Polars' `join_asof` and DuckDB's `ASOF JOIN`. Both tables come in random order; sorting and grouping are part of
the work. Checked before and after timing: every value equal, missing where there is no state or an old one. No two
states of a key begin at one time: DuckDB picks any of them.

    python benchmarks/bench_asof.py [--smoke] [--output build/bench/asof.json]
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import duckdb
import numpy as np
import polars as pl
import pyarrow as pa
from measure import Contender, Measurement, Work, measure, measure_sizes

import headrace.features as hr
from headrace.data import table_dtypes

COLUMNS = ("level", "price", "stock")
THREADS = 2
START_US = 1_400_000_000_000_000
SPAN_US = 60 * 86_400_000_000
TIMESTAMP = pa.timestamp("us", "UTC")


@dataclass(frozen=True)
class Size:
    """Rows that ask, states, keys, and how often each contender runs."""

    rows: int
    states: int
    keys: int
    rounds: int


FULL = (Size(2_000_000, 2_000_000, 50_000, 7), Size(2_000_000, 200_000, 1_000, 7))
SMOKE = (Size(5_000, 2_000, 50, 2),)


def make_tables(size: Size) -> dict[str, pa.Table]:
    """Both tables in random order."""
    random = np.random.default_rng(5)
    since = START_US + random.permutation(size.states) * (SPAN_US // size.states)
    asked = START_US + random.integers(0, SPAN_US, size.rows)
    levels = {name: random.normal(size=size.states).astype(np.float32).astype(np.float64) for name in COLUMNS}
    return {
        "asks": pa.table({"key": random.integers(0, size.keys, size.rows), "at": pa.array(asked, TIMESTAMP)}),
        "states": pa.table(
            {"key": random.integers(0, size.keys, size.states), "since": pa.array(since, TIMESTAMP), **levels}
        ),
    }


def make_plan(tables: Mapping[str, pa.Table]) -> hr.FeaturePlan:
    """The join, as a user would write it."""
    asks = hr.EventTable("asks", keys=["key"], event_time="at")
    states = hr.StateTable("states", keys=["key"], valid_from="since")
    features = [hr.as_of(states, list(COLUMNS), tolerance="1d")]
    return hr.compile_plan(
        hr.FeatureSet("asof", spine=asks, at="at", features=features),
        {name: table_dtypes(table) for name, table in tables.items()},
    )


def run_polars(tables: Mapping[str, pa.Table]) -> pl.DataFrame:
    """Sorted by time, as `join_asof` wants it; the rows' own order is brought back."""
    left = pl.from_arrow(tables["asks"]).with_row_index("row").sort("at")
    right = pl.from_arrow(tables["states"]).sort("since")
    joined = left.join_asof(
        right, left_on="at", right_on="since", by="key", strategy="backward", tolerance="1d", check_sortedness=False
    )
    return joined.sort("row")


def run_duckdb(tables: Mapping[str, pa.Table]) -> pa.Table:
    """An ASOF join, then the tolerance; in any order, with the row's number."""
    values = ", ".join(f"CASE WHEN a.at - s.since <= INTERVAL 1 DAY THEN s.{name} END AS {name}" for name in COLUMNS)
    with duckdb.connect(config={"threads": THREADS}) as connection:
        connection.register("asks", tables["asks"].append_column("row", pa.array(np.arange(len(tables["asks"])))))
        connection.register("states", tables["states"])
        query = f"SELECT row, {values} FROM asks a ASOF LEFT JOIN states s ON a.key = s.key AND a.at >= s.since"  # noqa: S608
        return connection.sql(query).to_arrow_table()


def check(answers: Mapping[str, Any]) -> None:
    """Every value equal."""
    ours = answers["headrace, 2 threads"]
    for name, answer in answers.items():
        if name.startswith("headrace"):
            assert np.array_equal(answer.values, ours.values, equal_nan=True)
            continue
        frame = answer if name == "polars" else pl.from_arrow(answer).sort("row")
        for column in COLUMNS:
            theirs = frame[column].fill_null(np.nan).to_numpy().astype(np.float32)
            assert np.array_equal(ours.column(f"states_{column}"), theirs, equal_nan=True), (name, column)


def compare(size: Size) -> Measurement:
    """Measure one size."""
    tables = make_tables(size)
    plan = make_plan(tables)
    contenders = [
        Contender("polars", partial(run_polars, tables)),
        Contender("duckdb", partial(run_duckdb, tables)),
        Contender("headrace, 2 threads", partial(hr.compute, plan, tables, threads=THREADS)),
        Contender("headrace, 1 thread", partial(hr.compute, plan, tables, threads=1)),
    ]
    title = f"as-of join, {size.rows:,} rows, {size.states:,} states, {size.keys:,} keys"
    return measure(contenders, title=title, check=check, work=Work(size.rows, "row"), rounds=size.rounds)


if __name__ == "__main__":
    threads = {"polars_threads": pl.thread_pool_size(), "threads": THREADS}
    measure_sizes("asof", __doc__, compare, full=FULL, smoke=SMOKE, facts=threads)
