"""A feature set with one of everything: every span, statistic, expression and encoder. Loaded by `conftest.py`."""

from __future__ import annotations

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
