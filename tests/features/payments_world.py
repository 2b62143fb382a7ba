"""A feature set with one of everything: every span, statistic, expression and encoder. Loaded by `conftest.py`."""

from __future__ import annotations

import math

import numpy as np
import pyarrow as pa

import headrace.features as hr

SCHEMAS = {
    "payments": {
        "id": "string", "card": "int64", "shop": "string", "paid_at": "timestamp", "known_at": "timestamp",
        "number": "int64", "amount": "float64", "status": "string", "lat": "float64", "lon": "float64",
        "fraud": "bool", "fraud_known_at": "timestamp",
    },
    "cards": {"card": "int64", "since": "timestamp", "limit": "int64", "lat": "float64", "lon": "float64"},
}  # fmt: skip
BERLIN = "Europe/Berlin"


def payments(name="payments", **changes):
    """The events, known a while after they happened; `changes` replace what is declared."""
    declared = {
        "keys": ["card", "shop"], "event_time": "paid_at", "available_at": "known_at", "sequence": "number",
        "resolution": {"amount": 2**-7},
    }  # fmt: skip
    return hr.EventTable(name, **(declared | changes))


def labels(**changes):
    """The same payments, as events that are known when their label is."""
    declared = {"source": hr.table("payments"), "available_at": "fraud_known_at"}
    return payments("labels", **(declared | changes))


def asks():
    """The same payments, as they happen."""
    return payments("asks", source=hr.table("payments"), available_at=None)


CARDS = hr.StateTable("cards", keys=["card"], valid_from="since")


def extents():
    """Every kind of extent but a fixed duration."""
    return [
        hr.calendar_window("1mo", tz=BERLIN), hr.calendar_window("2w", tz=BERLIN), hr.to_date("week", tz=BERLIN),
        hr.last(5), hr.session("30m"), hr.expanding(),
    ]  # fmt: skip


def every_statistic(over):
    """Every statistic over some extents."""
    failed = hr.column("status") == "failed"
    each = (hr.column("amount") / (hr.column("number") + 1)).named("each")
    values = {
        "amount": [
            hr.Sum(), hr.Mean(nan="skip"), hr.Var(), hr.Std(empty=0), hr.Min(), hr.Max(), hr.Range(), hr.First(),
            hr.Last(), hr.Lag(2), hr.Diff(), hr.Ratio(), hr.Median(), hr.Quantile(0.9), hr.DecayedSum("6h"),
            hr.DecayedMean("6h"), hr.DecayedCount("6h"), hr.Trend(), hr.Share(15), hr.CountNonNull(nan="skip"),
        ],
        "shop": [hr.Distinct(), hr.Distinct(sketch=True), hr.TopShare(3), hr.Entropy()],
        "number": [hr.Mode()],
        None: [hr.Count(), hr.SinceLast(), hr.DecayedCount("1h")],
        ("amount", "number"): [hr.Cov(), hr.Corr(), hr.Slope()],
        each: [hr.Max(), hr.Mean()],
    }  # fmt: skip
    return hr.windows(payments(), by="card", over=over, values=values, where=failed)


def make_payments_set(features=None):
    """One of everything."""
    failed = hr.column("status") == "failed"
    ratio = hr.feature("all_count_1h") / hr.maximum(hr.feature("card_status_ok_count_1h"), 1)
    odd = hr.if_else(hr.column("status").is_in(["ok"]), hr.column("amount").clip(0, 100).log1p(), -1.0)
    everything = [
        every_statistic("24h"),
        hr.windows(payments(), by="card", over=extents(), values={"amount": [hr.Mean()], None: [hr.Count()]}),
        hr.windows(payments(), by="card", over="1h", values={None: [hr.Count(), hr.Rate()]},
                   per={"status": ["ok", "failed"]}),
        hr.windows(payments(), by="card", over=["1h", "90m"], values={None: [hr.Rate(unit="1m")]}, where=failed),
        hr.windows(asks(), by="card", over=["1h", hr.last(3)], values={"amount": [hr.Sum()]}, include_current=True,
                   prefix="own"),
        *(hr.windows(payments(), by=[], over=["1h", hr.calendar_window("1d", tz=BERLIN)], values={None: [hr.Count()]},
                     closed=closed, prefix=None if closed == "left" else closed)
          for closed in ("left", "right", "both", "none")),
        hr.target_encoding(labels(), by="shop", target=hr.column("fraud")),
        hr.frequency_encoding(payments(), by="shop", over="7d"),
        hr.as_of(CARDS, ["limit"], tolerance="30d"),
        hr.as_of_age(CARDS),
        hr.calendar("paid_at", "hour", tz=BERLIN),
        ratio.named("ratio"),
        hr.haversine("lat", "lon", CARDS["lat"], CARDS["lon"]).named("km"),
        hr.one_hot(hr.cross("shop", "status"), max_categories=2),
        hr.scaled("amount"),
        hr.request("amount"),
        odd.named("odd"),
    ]  # fmt: skip
    return hr.FeatureSet(
        "risk", spine=payments(), at="paid_at", row_id="id", features=everything if features is None else features
    )


def compile_payments(features=None, **kwargs):
    """The plan of some features of payments, by default of one of everything."""
    return hr.compile_plan(make_payments_set(features), SCHEMAS, **kwargs)


def make_payments(seed=0, *, rows=120, days=75):
    """Tables with null keys, equal times, payments that become known late or never, NaN and Inf, rows in no order."""
    random = np.random.default_rng(seed)
    first_us = 1_362_614_400_000_000  # 2013-03-07: clocks change in Berlin on the 31st
    step_us = 15 * 60_000_000

    def times(start, n, longest):
        return np.asarray(start) + random.integers(0, longest, n) * step_us

    def some(values, share=0.1):
        return [None if random.random() < share else value for value in values]

    def stamps(values):
        return pa.array([None if value is None else int(value) for value in values], pa.timestamp("us", "UTC"))

    paid = times(first_us, rows, days * 96)
    paid[1::7] = paid[::7][: len(paid[1::7])]
    amounts = random.choice(
        [0.1, -0.0, 20.0, 1e6, math.nan, math.inf, 3.25], rows, p=[0.2, 0.1, 0.3, 0.1, 0.04, 0.02, 0.24]
    )
    payments_table = pa.table(
        {
            "id": [f"p{row}" for row in range(rows)],
            "card": pa.array(some(random.integers(0, 5, rows).tolist(), 0.05), pa.int64()),
            "shop": some(random.choice(["a", "b", "c|d", ""], rows).tolist()),
            "paid_at": stamps(paid.tolist()),
            "known_at": stamps(some(times(paid, rows, 8).tolist(), 0.05)),
            "number": pa.array(random.integers(0, 4, rows), pa.int64()),
            "amount": pa.array(some(amounts.tolist()), pa.float64()),
            "status": some(random.choice(["ok", "failed", "held"], rows).tolist(), 0.05),
            "lat": pa.array(some(random.uniform(-90, 90, rows).tolist()), pa.float64()),
            "lon": pa.array(random.uniform(-180, 180, rows), pa.float64()),
            "fraud": some((random.random(rows) < 0.2).tolist()),
            "fraud_known_at": stamps(some(times(paid, rows, 96 * 10).tolist())),
        }
    )
    n_cards = 12
    cards = pa.table(
        {
            "card": pa.array(random.integers(0, 5, n_cards), pa.int64()),
            "since": stamps(times(first_us, n_cards, days * 96).tolist()),
            "limit": pa.array(random.integers(1, 9, n_cards), pa.int64()),
            "lat": pa.array(random.uniform(-90, 90, n_cards), pa.float64()),
            "lon": pa.array(random.uniform(-180, 180, n_cards), pa.float64()),
        }
    )
    return {"payments": payments_table, "cards": cards}
