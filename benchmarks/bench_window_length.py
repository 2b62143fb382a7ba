"""Window length: what a row costs as its window grows from an hour to thirty days.

Six features (count, sum, mean, std, min, max) over one window. A row should cost the same whatever its window holds:
reference is the window of one hour. Checked: counts equal to a search in the sorted times.

    python benchmarks/bench_window_length.py [--smoke] [--output build/bench/window_length.json]
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
from bench_windows import Size, make_events
from measure import Contender, Measurement, Work, measure, measure_sizes

import headrace.features as hr
from headrace.data import table_dtypes

HOURS = {"1h": 1, "24h": 24, "7d": 168, "30d": 720}
FULL = (Size(2_000_000, 50_000, 7), Size(2_000_000, 1_000, 7), Size(2_000_000, 4, 7))
SMOKE = (Size(5_000, 50, 2),)
THREADS = 2


def make_plan(events: pa.Table, width: str) -> hr.FeaturePlan:
    """Six features over one window."""
    table = hr.EventTable("events", keys=["key"], event_time="moment")
    values = {None: [hr.Count()], "value": [hr.Sum(), hr.Mean(), hr.Std(), hr.Min(), hr.Max()]}
    features = [hr.windows(table, by="key", over=width, values=values)]
    return hr.compile_plan(
        hr.FeatureSet("windows", spine=table, at="moment", features=features), {"events": table_dtypes(events)}
    )


def check(events: pa.Table, answers: Mapping[str, Any]) -> None:
    """Counts of a sample of rows, by a search in the times of the row's key."""
    key, moment = events["key"].to_numpy(), events["moment"].to_numpy().astype(np.int64)
    order = np.lexsort((moment, key))
    starts = np.searchsorted(key[order], np.arange(key.max() + 2))
    for row in np.random.default_rng(0).choice(len(key), min(200, len(key)), replace=False):
        mine = moment[order[starts[key[row]] : starts[key[row] + 1]]]
        for width, matrix in answers.items():
            since = np.searchsorted(mine, moment[row] - HOURS[width] * 3_600_000_000)
            assert matrix.column(f"key_count_{width}")[row] == np.searchsorted(mine, moment[row]) - since


def compare(size: Size) -> Measurement:
    """Measure one size."""
    events = make_events(size)
    out = np.zeros((size.events, 6), dtype=np.float32)

    def run(plan: hr.FeaturePlan) -> hr.FeatureMatrix:
        matrix = hr.compute(plan, {"events": events}, threads=THREADS, out=out)
        return hr.FeatureMatrix(matrix.names[:1], matrix.values[:, :1].copy(), matrix.query_time)

    contenders = [Contender(width, partial(run, make_plan(events, width))) for width in HOURS]
    title = f"one window, {size.events:,} events, {size.keys:,} keys"
    return measure(
        contenders, title=title, check=partial(check, events), work=Work(size.events, "event"), rounds=size.rounds
    )


if __name__ == "__main__":
    measure_sizes("window_length", __doc__, compare, full=FULL, smoke=SMOKE, facts={"threads": THREADS})
