"""A small world that asks for everything features can do: what warms the kernels' cache, and what tests run on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from headrace.data.types import table_dtypes
from headrace.features.definition import (
    calendar_features,
    encoders,
    feature_set,
    functions,
    spans,
    target_encodings,
    window_features,
)
from headrace.features.definition import window_statistics as ws
from headrace.features.definition.expressions import Literal, column, query_time
from headrace.features.definition.tables import EventTable, StateTable, table
from headrace.features.encoding.fitting import fit_plan
from headrace.features.plan import FeaturePlan
from headrace.features.planning.planner import compile_plan

if TYPE_CHECKING:
    import pyarrow as pa

_HOUR_US = 3_600_000_000
_START_US = 1_362_700_800_000_000  # 2013-03-08: a clock changes in New York two days later


def specimen_tables(rows: int, *, seed: int = 0) -> dict[str, pa.Table]:
    """Tables with repeated and null keys, equal times, nulls, NaN and Inf, in no order: `events` and `states`."""
    import numpy as np
    import pyarrow as pa

    random = np.random.default_rng(seed)
    moment = pa.timestamp("us", "UTC")

    def times(n: int) -> Any:
        return _START_US + random.integers(0, 40 * 96, n) * (_HOUR_US // 4)

    def some(values: Any, share: float = 0.1) -> Any:
        return pa.array(values, mask=random.random(len(values)) < share)

    at = times(rows)
    floats = random.choice([0.1, -0.0, 1e6, np.nan, np.inf, 3.25, -7.5], rows, p=[0.3, 0.1, 0.1, 0.04, 0.01, 0.4, 0.05])
    events = pa.table(
        {
            "id": np.arange(rows),
            "card": some(np.minimum(random.integers(0, 40, rows), random.integers(0, 40, rows)), 0.05),
            "shop": some(random.choice(["north", "south", "", "östlich"], rows), 0.05),
            "at": pa.array(at, moment),
            "known": some(at + random.integers(0, 90, rows) * (_HOUR_US // 3)).cast(moment),
            "number": np.arange(rows)[::-1].copy(),
            "count": random.integers(-5, 200, rows),
            "points": some(random.integers(-5, 200, rows)),
            "price": np.round(random.lognormal(2, 1, rows) * 64) / 64,
            "weight": some(floats),
            "paid": some(random.random(rows) < 0.5),
            "lat": random.uniform(-80, 80, rows),
            "lon": random.uniform(-180, 180, rows),
        }
    )
    n_states = max(1, rows // 4)
    states = pa.table(
        {
            "shop": some(random.choice(["north", "south", "west"], n_states)),
            "from": pa.array(times(n_states), moment),
            "level": some(random.normal(size=n_states)),
            "staff": random.integers(1, 9, n_states),
        }
    )
    return {"events": events, "states": states}


def specimen_plan(tables: dict[str, pa.Table]) -> FeaturePlan:
    """A fitted plan over `specimen_tables` with every statistic, extent, state, encoder and kind of expression."""
    import numpy as np

    schemas = {name: table_dtypes(content) for name, content in tables.items()}
    plan = compile_plan(_feature_set(), schemas)
    return fit_plan(plan, tables, rows=np.arange(0, tables["events"].num_rows, 2))


def _feature_set() -> feature_set.FeatureSet:
    keys = ["card", "shop"]
    plain = EventTable("events", keys=keys, event_time="at", resolution=2**-20)
    late = EventTable(
        "settled", source=table("events"), keys=keys, event_time="at", available_at="known", delay="10m",
        sequence="number", resolution=2**-20,
    )  # fmt: skip
    states = StateTable("states", keys=["shop"], valid_from="from", delay="30m")
    fixed = StateTable("shops", source=table("states"), keys=["shop"])
    every: list[window_features.Over] = ["1h", spans.last(4), spans.session("6h"), spans.expanding()]
    every += [spans.calendar_window("1mo", tz="America/New_York"), spans.to_date("week", tz="UTC")]
    return feature_set.FeatureSet(
        "specimen",
        spine=plain,
        at="at",
        row_id="id",
        features=[
            window_features.windows(plain, by="card", over=["5d", spans.last(3)], values=_values()),
            window_features.windows(late, by="card", over=["5d", spans.last(3)], values=_values(), prefix="late"),
            window_features.windows(plain, by="card", over=every, values=_few(), prefix="plain"),
            window_features.windows(late, by="card", over=every, values=_few(), prefix="settled"),
            window_features.windows(late, by=keys, over=["5d"], values={"count": [ws.Sum()]}, where=column("paid")),
            window_features.windows(plain, by="shop", over=["1h"], values={None: [ws.Count()]}, per={"paid": [True]}),
            window_features.windows(plain, by=[], over=["1h"], values={None: [ws.Count()], "count": [ws.Mean()]}),
            *[
                window_features.windows(
                    plain, by="card", over=["1h"], values={None: [ws.Count()], "price": [ws.Max()]}, closed=closed,
                    prefix=f"card_{closed}",
                )
                for closed in ("right", "both", "none")
            ],
            window_features.windows(
                plain, by="card", over=["1h", spans.last(3), spans.session("6h")], include_current=True,
                values={None: [ws.Count()], "weight": [ws.Mean(), ws.Median(), ws.Last()]}, prefix="with_own",
            ),
            feature_set.as_of(states, ["level", "staff"], tolerance="6h"),
            feature_set.as_of_age(states),
            feature_set.lookup(fixed, ["staff"]),
            calendar_features.calendar("at", ["hour", "weekday", "day_of_year"], tz="America/New_York"),
            calendar_features.cyclic("at", "hour", tz="America/New_York"),
            feature_set.request("price"),
            (query_time().year() - fixed["staff"]).named("age"),
            functions.haversine(column("lat"), column("lon"), Literal(40.6), Literal(-73.8)).named("distance"),
            target_encodings.target_encoding(late, by="shop", target=column("paid"), known_immediately=True),
            target_encodings.frequency_encoding(plain, by="shop"),
            *[encoder("shop") for encoder in (encoders.one_hot, encoders.ordinal, encoders.frequency, encoders.hashed)],
            encoders.hashed("card"),
            encoders.hashed(functions.cross("shop", "card")),
            *[encoder("weight") for encoder in (encoders.binned, encoders.scaled, encoders.robust_scaled)],
            *[encoder("points") for encoder in (encoders.min_max, encoders.clipped, encoders.imputed)],
        ],
    )  # fmt: skip


def _few() -> dict[Any, list[ws.Aggregate]]:
    return {None: [ws.Count()], "count": [ws.Sum(), ws.Median()], "weight": [ws.Max()], "shop": [ws.Distinct()]}


def _values() -> dict[Any, list[ws.Aggregate]]:
    numbers: list[ws.Aggregate] = [
        ws.CountNonNull(), ws.Sum(), ws.Mean(), ws.Var(), ws.Std(), ws.Min(), ws.Max(), ws.Range(), ws.Share(above=1),
        ws.First(), ws.Last(), ws.Lag(1), ws.Diff(), ws.Ratio(), ws.SinceLast(), ws.Quantile(0.3), ws.Median(),
        ws.DecayedCount(half_life="6h"), ws.DecayedSum(half_life="6h"), ws.DecayedMean(half_life="6h"), ws.Trend(),
    ]  # fmt: skip
    groups: list[ws.Aggregate] = [ws.Distinct(), ws.Distinct(sketch=True), ws.TopShare(2), ws.Entropy()]
    return {
        None: [ws.Count(), ws.SinceLast(), ws.DecayedCount(half_life="6h")],
        "count": [*numbers, *groups, ws.Mode()],
        "points": [*numbers, *groups],
        "price": numbers,
        "weight": numbers,
        "shop": groups,
        ("count", "points"): [ws.Cov(), ws.Corr(), ws.Slope()],
        ("price", "weight"): [ws.Cov(), ws.Corr(), ws.Slope()],
    }
