"""Random tables with everything that goes wrong, and random feature sets over them, from a seed."""

from __future__ import annotations

import math
import random
from typing import NamedTuple

import pyarrow as pa

import headrace.features as hr
from headrace.data.types import table_dtypes

TIMESTAMP = pa.timestamp("us", "UTC")
MINUTE_US = 60_000_000
DAY_US = 1440 * MINUTE_US
FIRST_US = 1_362_614_400_000_000  # 2013-03-07: clocks change in New York on the 10th, in Berlin on the 31st
ZONES = ["UTC", "America/New_York", "Europe/Berlin", "Asia/Kathmandu", "Australia/Lord_Howe"]

# what sums read holds few digits before the point, or is declared with a coarse step; the rest is read by selections
AMOUNTS = [0.1, -0.0, 20.0, -3.25, 1e6, 15.0, 2.0**-9, 7.77, math.nan, math.inf, -math.inf]
LARGE = [1e16, 1.0, -1e16, 5e-324, 3.0, 2.5, -1.5, 0.0]
WILD = [1e300, -1e300, 5e-324, -0.0, 0.0, 1e16, 1.0, 0.1, math.nan, math.inf, -math.inf]
RESOLUTION = {"amount": 2**-7, "large": 1.0, "wild": 1.0, "each": 2**-20}


class Generated(NamedTuple):
    """A feature set, its plan and the tables it reads."""

    plan: hr.FeaturePlan
    tables: dict[str, pa.Table]


def stamps(values):
    return pa.array(values, TIMESTAMP)


def make_tables(rng, *, most_rows=40, numbered=False, days=None):
    """Events, rows that ask, and states. `numbered` gives every row a sequence and every state a time of its own."""
    days = days or rng.choice([1, 3, 90, 400])
    step_us = rng.choice([MINUTE_US, 15 * MINUTE_US, 360 * MINUTE_US, 1]) if days < 90 else 360 * MINUTE_US
    shops = [*"ab", "c|d", ""]

    def moment():
        # half of the moments lie on few places of a grid, so that times are equal and windows begin at an event
        if rng.random() < 0.5:
            return FIRST_US + rng.randrange(20) * days * DAY_US // 20
        return FIRST_US + rng.randrange(days * DAY_US // step_us) * step_us

    def some(value, share=0.1):
        return None if rng.random() < share else value

    def rows(n, make):
        return [make() for _ in range(n)]

    n = rng.choice([0, 1, 2, 7, most_rows // 2, most_rows, most_rows])
    at = rows(n, moment)
    known = [some(time + rng.choice([-60, 0, 0, 0, 1, 30, 600, 6000]) * MINUTE_US) for time in at]
    # n * largest must stay below 2**63 steps: the engine refuses what it could not sum exactly
    large = LARGE if most_rows < 500 else [value if abs(value) < 1e15 else value / 100 for value in LARGE]
    amounts = rng.choice([AMOUNTS, AMOUNTS[:-3], AMOUNTS[:2], [4.0]])
    events = {
        "id": pa.array([f"e{row}" for row in range(n)], pa.string()),
        "card": pa.array(rows(n, lambda: some(rng.choice([1, 2, 3, 2**40]))), pa.int64()),
        "shop": pa.array(rows(n, lambda: some(rng.choice(shops))), pa.string()),
        "at": stamps(at),
        "happened": stamps([some(time, 0.05) for time in at]),
        "known": stamps(known),
        "number": pa.array(rng.sample(range(-n, n), n) if numbered else rows(n, lambda: some(rng.randrange(4)))),
        "small": pa.array(rows(n, lambda: some(rng.randrange(-9, 9))), pa.int64()),
        "flag": pa.array(rows(n, lambda: some(rng.random() < 0.5)), pa.bool_()),
        "amount": pa.array(rows(n, lambda: some(rng.choice(amounts))), pa.float64()),
        "large": pa.array(rows(n, lambda: some(rng.choice(large))), pa.float64()),
        "wild": pa.array(rows(n, lambda: some(rng.choice(WILD))), pa.float64()),
    }
    events["number"] = events["number"].cast(pa.int64())
    n_asks = rng.choice([0, 1, most_rows // 2, most_rows // 2])
    asks = {
        "id": pa.array([f"q{row}" for row in range(n_asks)], pa.string()),
        "account": pa.array(rows(n_asks, lambda: some(rng.choice([1, 2, 3, 4]))), pa.int64()),
        "shop": pa.array(rows(n_asks, lambda: some(rng.choice([*shops, "new"]))), pa.string()),
        "asked_at": stamps(rows(n_asks, moment)),
        "due_at": stamps(rows(n_asks, lambda: some(moment()))),
        "small": pa.array(rows(n_asks, lambda: some(rng.randrange(-9, 9))), pa.int64()),
        "amount": pa.array(rows(n_asks, lambda: some(rng.choice(AMOUNTS))), pa.float64()),
    }
    n_states = rng.choice([0, 1, 10, 40, 40])
    since = rng.sample(range(100), n_states) if numbered else [rng.randrange(20) for _ in range(n_states)]
    since = [FIRST_US + each * (5 if not numbered else 1) * days * DAY_US // 100 for each in since]
    states = {
        "card": pa.array([some(rng.choice([1, 2, 3])) for _ in range(n_states)], pa.int64()),
        "shop": pa.array([some(rng.choice(shops)) for _ in range(n_states)], pa.string()),
        "since": stamps([some(time) for time in since]),
        "level": pa.array([some(rng.choice(AMOUNTS)) for _ in range(n_states)], pa.float64()),
        "rank": pa.array([some(rng.randrange(5)) for _ in range(n_states)], pa.int64()),
    }
    order = rng.sample(range(3), 3) if numbered else [rng.randrange(3) for _ in range(rng.choice([0, 2, 4]))]
    cards = {"card": pa.array([1 + each for each in order], pa.int64()), "limit": pa.array(order, pa.int64())}
    tables = {"events": events, "asks": asks, "states": states, "cards": cards}
    return {name: pa.table(columns) for name, columns in tables.items()}


def make_view(rng, name, *, known=None):
    """One of the ways to read the events."""
    known = rng.choice([None, "known", "known", "at"]) if known is None else known
    return hr.EventTable(
        name, source=hr.table("events"), keys=["card", "shop"], event_time=rng.choice(["at", "at", "happened"]),
        available_at=known or None, delay=rng.choice(["0s", "0s", "1us", "20m", "3d"]),
        sequence=rng.choice([None, "number"]), resolution=RESOLUTION,
    )  # fmt: skip


def every_extent(rng):
    """One of each kind of extent; durations and calendars with each of their bounds where `closed` is drawn."""
    zone = rng.choice(ZONES)
    return [
        rng.choice(["15m", "1h", "6h", "24h", "30d"]), hr.calendar_window(rng.choice(["1mo", "2mo", "1y"]), tz=zone),
        hr.calendar_window(rng.choice(["1d", "2w"]), tz=zone), hr.to_date(rng.choice(["day", "week"]), tz=zone),
        hr.to_date(rng.choice(["month", "year"]), tz=zone), hr.last(rng.choice([1, 2, 5])),
        hr.session(rng.choice(["15m", "6h", "5d"])), hr.expanding(),
    ]  # fmt: skip


def _bounded(extent):
    return isinstance(extent, str) or extent.kind == "calendar"


def every_statistic(rng):
    """(value, statistic) pairs: every statistic, with policies and parameters drawn."""
    half_life = rng.choice(["1m", "6h", "30d"])

    def policy():
        return {"nan": rng.choice(["propagate", "skip"]), "empty": rng.choice([None, None, 0, -1.5])}

    each = (hr.column("small") / 4 + hr.column("amount")).named("each")
    ratio = (hr.column("small") / hr.column("number")).named("ratio")
    summed, selected = ["amount", "large", "small", "flag", each], ["amount", "large", "small", "flag", "wild", ratio]
    pairs = [("small", "amount"), ("amount", "number"), ("large", "small"), ("small", "small"), ("flag", "amount")]
    chosen = [(rng.choice(summed), make(**policy())) for make in (hr.Sum, hr.Mean, hr.Var, hr.Std)]
    chosen += [(rng.choice(summed[:4]), hr.Trend(**policy()))]
    chosen += [(rng.choice(pairs), make(**policy())) for make in (hr.Cov, hr.Corr, hr.Slope)]
    chosen += [
        (rng.choice(selected), make(**policy()))
        for make in (hr.Min, hr.Max, hr.Range, hr.First, hr.Last, hr.Diff, hr.Ratio, hr.Median)
    ]
    chosen += [
        (rng.choice(selected), hr.Quantile(rng.choice([0.0, 0.1, 0.25, 0.9, 1.0]), **policy())),
        (rng.choice(selected), hr.Lag(rng.choice([0, 1, 3]), **policy())),
        (rng.choice(selected), hr.Share(rng.choice([-3.25, 0.0, 3, 15]), **policy())),
        (rng.choice(selected), hr.CountNonNull(nan=rng.choice(["propagate", "skip"]))),
        (rng.choice(selected), hr.SinceLast(unit=rng.choice(["1h", "7m"]), **policy())),
        (None, hr.SinceLast()),
        (None, hr.Count()),
        (None, hr.DecayedCount(half_life)),
        ("amount", hr.DecayedCount(half_life)),
        (rng.choice(["amount", "large", "small"]), hr.DecayedSum(half_life, **policy())),
        (rng.choice(["amount", "large", "flag"]), hr.DecayedMean(half_life, **policy())),
        (rng.choice(["shop", "small", "flag"]), hr.Distinct()),
        (rng.choice(["shop", "small", "card"]), hr.Distinct(sketch=True)),
        (rng.choice(["small", "flag", "card"]), hr.Mode(**policy())),
        (rng.choice(["shop", "small", "flag"]), hr.TopShare(rng.choice([1, 2, 9]), **policy())),
        (rng.choice(["shop", "small", "flag"]), hr.Entropy(**policy())),
    ]
    return chosen


def by_value(chosen):
    """What `values=` takes; of equal names the last one stays."""
    values, names = {}, {}
    for value, statistic in chosen:
        label = getattr(value, "name", value)
        key = names.setdefault(repr(label), value)
        held = values.setdefault(key, {})
        held[statistic.label] = statistic
    return {key: list(held.values()) for key, held in values.items()}


def make_condition(rng):
    return rng.choice([
        None, None, hr.column("flag"), hr.column("small") > 0, hr.column("shop").is_in(["a", ""]),
        (hr.column("amount") < 15) | hr.column("flag"), ~(hr.column("shop") == "a") & (hr.column("small") != 3),
        hr.column("wild").is_null(), hr.column("small") > 100,
    ])  # fmt: skip


def make_windows(rng, view, *, on_account, prefix, whole=None, current=False):
    """Some statistics over some extents; `whole` gives every statistic."""
    by = rng.choice([["card"], ["card"], ["shop"], ["card", "shop"], []])
    on = {"card": "account"} if on_account else {}
    statistics, extents = every_statistic(rng), every_extent(rng)
    if whole is None:
        statistics, extents = rng.sample(statistics, rng.randrange(1, 7)), rng.sample(extents, rng.randrange(1, 3))
    else:
        extents = [extents[whole]]
    closed = rng.choice(["left", "left", "right", "both", "none"]) if all(map(_bounded, extents)) else "left"
    current = current and closed in {"left", "none"} and rng.random() < 0.5
    if isinstance(extents[0], str) and not current and rng.random() < 0.3:
        extents, statistics = extents[:1], [*statistics, (None, hr.Rate(unit=rng.choice(["1h", "1m"])))]
    per = rng.choice([None, None, None, {"shop": ["a", "c|d"]}, {"flag": [True]}, {"small": [1, -2]}])
    return hr.windows(
        view, by=by, on=[on.get(name, name) for name in by], over=extents, values=by_value(statistics),
        where=make_condition(rng), per=per if whole is None else None, closed=closed, include_current=current,
        prefix=prefix,
    )  # fmt: skip


def make_states(rng, *, on_account):
    """As-of columns, ages and lookups."""
    keys = rng.choice([["card"], ["shop"], ["card", "shop"]])
    states = hr.StateTable("states", keys=keys, valid_from="since", delay=rng.choice(["0s", "30m"]))
    cards = hr.StateTable("cards", keys=["card"])
    on = [{"card": "account"}.get(key, key) if on_account else key for key in keys]
    tolerance = rng.choice([None, "6h", "10d"])
    features = [
        hr.as_of(states, ["level", "rank"], on=on, tolerance=tolerance), hr.as_of_age(states, on=on),
        hr.lookup(cards, "limit", on="account" if on_account else "card"),
    ]  # fmt: skip
    if not on_account:
        features.append((cards["limit"] + hr.column("small")).named("more"))
        features.append((hr.query_time().hours_since_epoch() - states["since"].hours_since_epoch()).named("hours"))
    return features


def make_encodings(rng, view, *, on_account):
    key = rng.choice(["card", "shop"])
    target = rng.choice([hr.column("flag"), hr.column("amount") > 0, hr.column("small")])
    on = "account" if on_account and key == "card" else key
    over = rng.choice([None, "30d", hr.last(3)])
    smoothing = rng.choice([0, 0.5, 20])
    return [
        hr.target_encoding(view, by=key, on=on, target=target, over=over, smoothing=smoothing, known_immediately=True,
                           name="encoded"),
        hr.frequency_encoding(view, by=key, on=on, over=over, name="frequency"),
    ]  # fmt: skip


def make_expressions(rng, view, *, on_account):
    """Expressions over the row and over other features, whose values are exact."""
    on = "account" if on_account else "card"
    base = hr.windows(view, by="card", on=on, over="24h", values={None: [hr.Count()], "small": [hr.Sum(), hr.Last()]},
                      prefix="base")  # fmt: skip
    count, total, last = (hr.feature(f"base_{name}_24h") for name in ("count", "small_sum", "small_last"))
    small, amount = hr.column("small"), hr.column("amount")
    pool = [
        total / hr.maximum(count, 1), (count > 2) & (small > 0), hr.coalesce(total, small, -1), -last + small,
        hr.if_else(small > 1, amount, total), amount.clip(-1, 15), hr.minimum(amount, small), amount.abs().sqrt(),
        amount.log1p(), small.is_null(), small.is_in([1, 2, -3]), hr.query_time().year() - small, last / count,
        hr.column("shop") == "a", (amount > 3) | (small == 2), ~(small != 2), small * small - 7,
        hr.haversine(small, amount, last, total), amount.fill_null(0.5) * 3, hr.feature("expression_0") * 2,
    ]  # fmt: skip
    first, *others = rng.sample(pool[:-1], 5)
    return [base, first.named("expression_0"), pool[-1].named("doubled")] + [
        each.named(f"expression_{number}") for number, each in enumerate(others, 1)
    ]


def compiled(spine, at, features, tables):
    plan = hr.compile_plan(
        hr.FeatureSet("generated", spine=spine, at=at, features=features, row_id="id"),
        {name: table_dtypes(table) for name, table in tables.items()},
    )
    return Generated(plan, tables)


def generate(seed):
    """A feature set of some of everything over small tables."""
    rng = random.Random(seed)
    tables = make_tables(rng)
    on_account = rng.random() < 0.5
    if on_account:
        spine, at = hr.EventTable("asks", keys=["account", "shop"], event_time="asked_at"), "asked_at"
    else:
        spine, at = make_view(rng, "events"), "at"
        spine = hr.EventTable("events", keys=["card", "shop"], event_time="at", available_at=spine.available_at,
                              sequence=spine.sequence, resolution=RESOLUTION)  # fmt: skip
    at += rng.choice(["", "", "", " - 2h", " + 1d"])
    views = [make_view(rng, f"view_{number}") for number in range(2)]
    own = not on_account and at == "at"
    features = []
    for number in range(rng.randrange(1, 5)):
        current = own and rng.random() < 0.6
        view = spine if current else rng.choice(views)
        features.append(make_windows(rng, view, on_account=on_account, prefix=f"w{number}", current=current))
    if rng.random() < 0.5:
        features += make_states(rng, on_account=on_account)
    if rng.random() < 0.5:
        features += make_encodings(rng, views[0], on_account=on_account)
    if rng.random() < 0.5:
        features += make_expressions(rng, views[0], on_account=on_account)
    if rng.random() < 0.3:
        column = "due_at" if on_account else "known"
        fields = rng.sample(["minute", "minute_of_day", "hour", "weekday", "day", "month", "day_of_year"], 2)
        features += [hr.calendar(column, fields, tz=rng.choice(ZONES)), hr.cyclic(column, "hour", tz=rng.choice(ZONES))]
    return compiled(spine, at, features, tables)


def generate_complete(seed, *, rows=60, numbered=True, own=True):
    """A feature set with every kind of extent, every statistic over each, and one of everything else."""
    rng = random.Random(seed)
    tables = make_tables(rng, most_rows=rows, numbered=numbered, days=rng.choice([1, 40]))
    on_account = not own
    known = rng.choice([None, "known"])
    declared = {"keys": ["card", "shop"], "event_time": "at", "available_at": known, "resolution": RESOLUTION}
    events = hr.EventTable("events", sequence="number", **declared)
    late = hr.EventTable("late", sequence="number", source=hr.table("events"), delay="20m", **declared)
    spine = events if own else hr.EventTable("asks", keys=["account", "shop"], event_time="asked_at")
    features = [
        make_windows(rng, rng.choice([events, late] if not own else [events]), on_account=on_account,
                     prefix=f"w{number}", whole=number, current=own)
        for number in range(len(every_extent(rng)))
    ]  # fmt: skip
    features += make_states(rng, on_account=on_account) + make_encodings(rng, late, on_account=on_account)
    features += make_expressions(rng, late, on_account=on_account)
    return compiled(spine, "at" if own else "asked_at", features, tables)
