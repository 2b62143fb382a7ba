"""Distinct counts and quantiles over sliding windows: Headrace's kernels beside DuckDB's window functions.

Every row of the table is an event and a query; windows are [q - width, q). From an Arrow table to float64 columns:
dictionary encoding, grouping and the cut into buckets are part of the work. Checked before and after timing: distinct
counts equal, quantiles within the last digits (DuckDB interpolates with another rounding).

    python benchmarks/bench_distinct_quantile.py [--smoke] [--output build/bench/distinct_quantile.json]
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
from measure import Contender, Measurement, Work, measure, write_results

from headrace_kernels.arrays import EventTimes, Statistic, StatisticRequest, ValueColumn, WindowFrames
from headrace_kernels.cpu import categories, frames, grouping, quantiles

HOUR_US = 3_600_000_000
DAYS = 60
THREADS = 2
BUCKET_ROWS = 16_384
PROBABILITIES = (0.5, 0.95)
Answer = npt.NDArray[np.float64]


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


def run_headrace(events: pa.Table, hours: int, what: str, threads: int) -> Answer:
    """float64[n_statistics, n_rows] in the table's order."""
    keys = events["key"].combine_chunks().dictionary_encode()
    codes = keys.indices.to_numpy()
    time = events["moment"].to_numpy().astype(np.int64)
    column = encode(events) if what == "distinct" else events["value"].to_numpy()
    groups = grouping.group_rows(np.arange(len(codes), dtype=np.int32), codes, 0, len(keys.dictionary))
    order, starts = groups.rows.astype(np.int32), groups.starts
    out = np.empty((1 if what == "distinct" else len(PROBABILITIES), len(time)))
    bucket_of = starts[:-1] // BUCKET_ROWS
    lows = [*np.searchsorted(bucket_of, np.unique(bucket_of)).tolist(), len(bucket_of)]

    def work(low: int, high: int) -> None:
        rows = order[starts[low] : starts[high]]
        held = make_frames(rows, codes, low, high - low, time, hours * HOUR_US)
        out[:, held.queries.groups.rows] = compute(held, column, what)

    with ThreadPoolExecutor(threads) as pool:
        for future in [pool.submit(work, low, high) for low, high in pairwise(lows)]:
            future.result()
    return out


def make_frames(
    rows: npt.NDArray[np.int32], codes: npt.NDArray[np.int32], low: int, n_keys: int, time: Any, width_us: int
) -> WindowFrames:
    """Windows of one bucket's rows."""
    grouped = grouping.group_events(rows, codes, low, n_keys, EventTimes(time, None, 0, 1, None))
    queries = grouping.group_queries(rows, codes, low, n_keys, time)
    last = frames.bound_visible(grouped, queries)
    first = frames.bound_since(grouped, queries, queries.time - width_us, last)
    extra = np.zeros(0, dtype=np.int64)
    return WindowFrames(
        grouped, queries, first, last, extra, *frames.window_moves(grouped, queries, first, last, extra)
    )


def compute(held: WindowFrames, column: Any, what: str) -> Answer:
    """The statistics of one bucket, by grouped query."""
    values = column[held.events.groups.rows]
    out = np.empty((1 if what == "distinct" else len(PROBABILITIES), len(held.queries.time)))
    if what == "distinct":
        n_codes = int(values.max(initial=0)) + 1
        table = np.zeros(n_codes)
        requests = [StatisticRequest(Statistic.DISTINCT)]
        categories.aggregate_categories(held, values, table, table.view(np.uint64), requests, out)
    else:
        requests = [StatisticRequest(Statistic.QUANTILE, probability) for probability in PROBABILITIES]
        quantiles.aggregate_quantiles(held, ValueColumn(values, None, 0), requests, out)
    return out


def encode(events: pa.Table) -> npt.NDArray[np.int32]:
    """Category codes in any order: a count needs no other."""
    codes: npt.NDArray[np.int32] = pc.dictionary_encode(events["category"].combine_chunks()).indices.to_numpy()
    return codes


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
    """Counts equal; quantiles within two last digits of a float64."""
    ours = answers["headrace, 2 threads"][:, order]
    for name, answer in answers.items():
        if name.startswith("headrace"):
            theirs = answer[:, order]
        else:
            frame = pl.from_arrow(answer).sort("key", "moment")
            theirs = np.stack(
                [frame[f"c{row}"].cast(pl.Float64).fill_null(np.nan).to_numpy() for row in range(len(ours))]
            )
        np.testing.assert_allclose(ours, theirs, rtol=5e-16, err_msg=name)


def compare(size: Size, what: str) -> Measurement:
    """Measure one size."""
    events = make_events(size)
    order = np.lexsort((events["moment"].to_numpy().astype(np.int64), events["key"].to_numpy()))
    contenders = [
        Contender("headrace, 2 threads", partial(run_headrace, events, size.hours, what, THREADS)),
        Contender("headrace, 1 thread", partial(run_headrace, events, size.hours, what, 1)),
        Contender("duckdb", partial(run_duckdb, events, size.hours, what)),
    ]
    return measure(
        contenders, title=f"{what}, {size.title}", check=partial(check, order), work=Work(size.events, "event"),
        rounds=size.rounds,
    )  # fmt: skip


def main() -> None:
    """Measure every size and write the results."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--smoke", action="store_true")
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    measurements = []
    for what in ("distinct", "quantiles"):
        for size in SMOKE if options.smoke else FULL:
            measurements.append(compare(size, what))
            print(measurements[-1].table(), flush=True)
    if options.output:
        facts = {"threads": THREADS, "smoke": options.smoke, "probabilities": list(PROBABILITIES)}
        write_results(options.output, "distinct_quantile", measurements, facts)


if __name__ == "__main__":
    main()
