"""Definitions fail where they are written, and say what is wrong, what is allowed and where."""

from __future__ import annotations

import math
from dataclasses import fields

import pytest

import headrace.features as hr
from headrace.core.errors import DefinitionError
from headrace.features.definition import window_statistics
from headrace.features.definition.durations import TimeOffset, format_duration, parse_duration_us, parse_offset
from headrace_kernels.arrays import Statistic

EVENTS = hr.EventTable("landings", keys=["origin", "carrier"], event_time="arrives_at")
WEATHER = hr.StateTable("weather", keys=["origin"], valid_from="observed_at")
PLANES = hr.StateTable("planes", keys=["tailnum"])
KNOWN = hr.EventTable("landings", keys=["origin"], event_time="departs_at", available_at="arrives_at")
LATE = hr.column("delay") > 15
COUNTS = {None: [hr.Count()]}


@pytest.mark.parametrize(
    ("define", "message"),
    [
        (lambda: hr.windows(EVENTS, by="origins", over="1h", values=COUNTS), "declares the keys origin, carrier"),
        (lambda: hr.windows(EVENTS, by="origin", over="1 hour", values=COUNTS), "'1 hour' is not a duration"),
        (lambda: hr.windows(EVENTS, by="origin", over="0h", values=COUNTS), "longer than zero"),
        (lambda: hr.windows(EVENTS, by="origin", over=[], values=COUNTS), "at least one width"),
        (lambda: hr.windows(EVENTS, by="origin", over="1h", values={}), "one statistic"),
        (lambda: hr.windows(EVENTS, by="origin", over="1h", values={None: [hr.Mean()]}), "Mean needs a value column"),
        (lambda: hr.windows(EVENTS, by="origin", over="1h", values={"delay": [hr.Mean]}), "is no window statistic"),
        (lambda: hr.windows(EVENTS, by="origin", on=["a", "b"], over="1h", values=COUNTS), "as many columns"),
        (lambda: hr.as_of(PLANES, "seats"), "no valid_from"),
        (lambda: hr.lookup(WEATHER, "temp"), "its rows hold from 'observed_at' on"),
        (lambda: hr.as_of(WEATHER, "temp", on=["a", "b"]), "must name as many"),
        (lambda: hr.as_of(WEATHER, "temp", tolerance="soon"), "'soon' is not a duration"),
        (lambda: hr.calendar("departs_at", "hours"), "'hours' is no calendar field"),
        (lambda: hr.cyclic("departs_at", "hour", tz="America/Jersey"), "time zone 'America/Jersey' is not known"),
        (lambda: hr.Share(above=float("nan")), "must be a finite number"),
        (lambda: hr.EventTable("landings", keys="origin", event_time="t"), "keys is the string 'origin'"),
        (lambda: hr.EventTable("landings", keys=[], event_time="t"), "at least one column"),
        (lambda: hr.EventTable("landings", keys=["a", "a"], event_time="t"), "each once"),
        (lambda: hr.EventTable("my landings", keys=["a"], event_time="t"), "letters, digits and underscores"),
        (lambda: hr.EventTable("landings", keys=["a"]), "declares no event_time"),
        (lambda: hr.EventTable("x", keys=["a"], event_time="t", resolution=0.01), "not a power of two"),
        (lambda: hr.EventTable("x", keys=["a"], event_time="t", resolution={"v": 3}), "not a power of two"),
        (lambda: hr.EventTable("x", hr.table("y"), keys=["a"], event_time="t", table="z"), "contradicts"),
        (lambda: hr.FeatureSet("x", spine=EVENTS, at="departs_at-2", features=[hr.request("a")]), "not a query time"),
        (lambda: hr.FeatureSet("x", spine=EVENTS, at="departs_at", features=[]), "holds no features"),
        (lambda: hr.FeatureSet("x", spine=EVENTS, at="t", features=[hr.column("a") > 1]), "which is no feature"),
        (lambda: hr.windows(WEATHER, by="origin", over="1h", values=COUNTS), "so its rows have no time"),
        (lambda: hr.windows(EVENTS, by="origin", over=3, values=COUNTS), "3 is no extent of a window"),
        (lambda: hr.windows(EVENTS, by="origin", over=[3], values=COUNTS), "3 is no extent of a window"),
        (lambda: hr.windows(EVENTS, by="origin", over=hr.last(3), values=COUNTS, closed="both"), "only durations"),
        (lambda: hr.windows(EVENTS, by="origin", over="1h", values=COUNTS, closed="lef"), "closed='lef'; allowed"),
        (
            lambda: hr.windows(EVENTS, by="origin", over="1h", values=COUNTS, closed="right", include_current=True),
            "include_current=True with closed='right'",
        ),
        (lambda: hr.windows(EVENTS, by="origin", over="1h", values={"a": [hr.Corr()]}), "Corr reads two columns"),
        (lambda: hr.windows(EVENTS, by="origin", over="1h", values={("a", "b"): [hr.Mean()]}), "Mean reads one column"),
        (lambda: hr.windows(EVENTS, by="origin", over="1h", values={"a": [hr.Count()]}), "Count reads no column"),
        (lambda: hr.windows(EVENTS, by="origin", over="1h", values={("a",): [hr.Corr()]}), "is no pair of columns"),
        (lambda: hr.windows(EVENTS, by="origin", over="1h", values={LATE: [hr.Mean()]}), "names no value"),
        (lambda: hr.windows(EVENTS, by="origin", over="1h", values=COUNTS, where="a > 1"), "is no condition"),
        (lambda: hr.windows(EVENTS, by="origin", over="1h", values=COUNTS, per={"a": "ok"}), "write a list of values"),
        (lambda: hr.windows(EVENTS, by="origin", over="1h", values=COUNTS, per={"a": [0.5]}), "names no category"),
        (lambda: hr.last(0), "at least 1"),
        (lambda: hr.last(True), "at least 1"),
        (lambda: hr.session("0m"), "longer than zero"),
        (lambda: hr.calendar_window("1h", tz="UTC"), "one of y, mo, w, d"),
        (lambda: hr.calendar_window("0mo", tz="UTC"), "one of y, mo, w, d"),
        (lambda: hr.calendar_window("1mo", tz="Europe/Berlinn"), "time zone 'Europe/Berlinn'"),
        (lambda: hr.to_date("months", tz="UTC"), "allowed: day, week, month, year"),
        (lambda: hr.Mean(nan="drop"), "allowed: 'propagate', 'skip'"),
        (lambda: hr.CountNonNull(nan="drop"), "allowed: 'propagate', 'skip'"),
        (lambda: hr.Sum(empty=float("inf")), "empty must be a finite number"),
        (lambda: hr.Lag(-1), "whole number, at least 0"),
        (lambda: hr.TopShare(0), "whole number, at least 1"),
        (lambda: hr.Quantile(1.5), "between 0 and 1"),
        (lambda: hr.Quantile(True), "finite number"),
        (lambda: hr.DecayedMean("0h"), "longer than zero"),
        (lambda: hr.DecayedCount("6 hours"), "not a duration"),
        (lambda: hr.SinceLast(unit="0s"), "longer than zero"),
        (lambda: hr.Rate(unit="0s"), "longer than zero"),
        (lambda: hr.target_encoding(EVENTS, by="origin", target=LATE), "does not say when a label becomes known"),
        (lambda: hr.target_encoding(KNOWN, by="origin", target="late"), "no expression"),
        (lambda: hr.target_encoding(KNOWN, by="origin", target=LATE, smoothing=-1), "a number from 0"),
        (lambda: hr.frequency_encoding(EVENTS, by=[]), "the columns of a category"),
        (lambda: hr.as_of_age(PLANES), "no valid_from"),
        (lambda: hr.column("a") + math.nan, "must be finite"),
        (lambda: hr.column("a").clip(), "one or two finite bounds"),
        (lambda: hr.column("a").clip(3, 1), "one or two finite bounds"),
        (lambda: hr.column("a").is_in("ok"), "write a list"),
        (lambda: hr.column("a").is_in([1, "ok"]), "write a list"),
        (lambda: hr.cross("a"), "at least two"),
        (lambda: hr.coalesce(hr.column("a")), "at least two"),
        (lambda: parse_duration_us("2000w" + "0" * 5), "not a duration"),
        (lambda: parse_duration_us("99999999d"), "longer than a thousand years"),
    ],
)  # fmt: skip
def test_a_wrong_definition_is_an_error_that_says_what_is_allowed(define, message):
    with pytest.raises(DefinitionError, match=message):
        define()


def test_an_error_names_the_line_and_the_nearest_name():
    with pytest.raises(DefinitionError) as caught:
        hr.windows(EVENTS, by="origins", over="1h", values=COUNTS)
    assert "test_definitions.py:" in caught.value.hint
    assert "did you mean 'origin'?" in caught.value.hint


def test_views_of_one_stored_table_share_its_name():
    assert hr.EventTable("landings", source=hr.table("flights"), keys=["a"], event_time="t").table == "flights"
    assert hr.EventTable("landings", table="flights", keys=["a"], event_time="t").table == "flights"
    assert hr.EventTable("landings", keys=["a"], event_time="t").table == "landings"


@pytest.mark.parametrize("text", ["90s", "15m", "2h", "7d", "1500ms", "3us", "36h"])
def test_durations_read_back(text):
    assert format_duration(parse_duration_us(text)) == text


def test_offsets_read_back():
    assert parse_offset("departs_at - 2h") == TimeOffset("departs_at", -7_200_000_000)
    assert str(parse_offset("departs_at-90m")) == "departs_at - 90m"
    assert str(parse_offset("departs_at + 1d")) == "departs_at + 1d"
    assert str(parse_offset(" departs_at ")) == "departs_at"


def test_share_labels_are_plain_words():
    assert [hr.Share(above=value).label for value in (15, 0.5, -2)] == [
        "share_above_15", "share_above_0p5", "share_above_minus_2",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("span", "label"),
    [
        (hr.last(10), "last_10"), (hr.session("30m"), "session_30m"), (hr.expanding(), "ever"),
        (hr.calendar_window("1mo", tz="UTC"), "1mo"), (hr.calendar_window("1y", tz="UTC"), "12mo"),
        (hr.calendar_window("2w", tz="UTC"), "calendar_14d"), (hr.to_date("month", tz="UTC"), "month_to_date"),
    ],
)  # fmt: skip
def test_extents_have_plain_names(span, label):
    assert span.label == label


@pytest.mark.parametrize(
    ("aggregate", "label", "parameter"),
    [
        (hr.Lag(2), "lag_2", 2.0), (hr.TopShare(3), "top_3_share", 3.0), (hr.Quantile(0.95), "quantile_0p95", 0.95),
        (hr.Median(), "median", 0.5), (hr.DecayedSum("6h"), "decayed_sum_6h", 21_600e6),
        (hr.DecayedCount("1d"), "decayed_count_1d", 86_400e6), (hr.SinceLast(), "since_last", 3_600e6),
        (hr.SinceLast(unit="1d"), "since_last_in_1d", 86_400e6), (hr.Rate(unit="1m"), "rate_per_1m", None),
        (hr.Distinct(sketch=True), "distinct_sketch", None), (hr.Trend(), "trend", None),
    ],
)  # fmt: skip
def test_statistics_have_plain_names_and_the_kernels_numbers(aggregate, label, parameter):
    assert (aggregate.label, aggregate.parameter) == (label, parameter)


def test_every_statistic_is_one_of_the_kernels():
    """And every kernel's statistic can be declared."""
    given = {"n": 1, "p": 0.5, "above": 1, "half_life": "1h"}
    declared = set()
    for kind in vars(window_statistics).values():
        if isinstance(kind, type) and issubclass(kind, hr.Aggregate) and hasattr(kind, "kind"):
            names = {each.name for each in fields(kind) if each.name in given}
            declared.add(kind(**{name: given[name] for name in names}).statistic)
    declared.add(hr.Distinct(sketch=True).statistic)
    assert declared - {"rate"} == {statistic.name.lower() for statistic in Statistic}


def test_names_say_whose_which_and_over_what(payments_world):
    plan = payments_world.compile_payments()
    assert {
        "card_amount_mean_24h", "card_amount_mean_1mo", "card_amount_mean_calendar_14d", "card_amount_mean_last_5",
        "card_amount_mean_session_30m", "card_count_ever", "card_amount_number_corr_24h", "card_each_max_24h",
        "card_status_failed_count_1h", "all_count_1h", "both_count_1h", "own_amount_sum_last_3", "shop_target_ever",
        "shop_frequency_7d", "cards_limit", "cards_age_hours", "ratio", "shop_status_top_1", "amount_scaled",
    } <= set(plan.feature_names)  # fmt: skip
    assert plan.feature("card_amount_mean_week_to_date").description == (
        "mean of amount since the week began in Europe/Berlin of payments with the same card"
    )
    roles = {spec.name: spec.role for spec in plan.features}
    assert roles["shop_target_ever"] == roles["card_status_ok_rate_1h"] == "window"
    assert roles["amount_scaled"] == "encoded"
    assert roles["ratio"] == "derived"


def test_a_pair_is_y_on_x(payments_world):
    step = payments_world.compile_payments().feature("card_amount_number_slope_24h").step
    assert [str(column) for column in step.columns] == ["number", "amount"]
    assert step.resolution_bits == (0, 7)


def test_names_of_categories_are_words(payments_world):
    counts = hr.windows(
        payments_world.payments(), by="card", over="1h", values={None: [hr.Count()]},
        per={"status": ["OK!", ""], "number": [-1, 2], "fraud": [True]},
    )  # fmt: skip
    assert payments_world.compile_payments([counts]).feature_names == (
        "card_status_ok__count_1h", "card_status_empty_count_1h", "card_number_minus_1_count_1h",
        "card_number_2_count_1h", "card_fraud_true_count_1h",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("features", "message"),
    [
        (lambda w: [counts(w, values={"shop": [hr.Mean()]})], "'shop' of 'payments', a string"),
        (lambda w: [counts(w, values={"amount": [hr.Distinct()]})], "a float64; allowed"),
        (lambda w: [counts(w, values={"shop": [hr.Mode()]})], "Mode reads column 'shop'"),
        (lambda w: [counts(w, values={"amountt": [hr.Mean()]})], "column 'amountt'"),
        (lambda w: [counts(w, where=hr.column("amount"))], "is a float64, not a condition"),
        (lambda w: [counts(w, where=hr.column("statos") == "ok")], "column 'statos', which table"),
        (lambda w: [counts(w, where=hr.column("status") > 1)], "combines a string and a int64"),
        (lambda w: [counts(w, where=hr.query_time().year() > 2000)], "is no column of 'payments'"),
        (lambda w: [counts(w, where=w.CARDS["limit"] > 1)], "is no column of 'payments'"),
        (lambda w: [counts(w, where=hr.feature("amount") > 1)], "is no column of 'payments'"),
        (lambda w: [counts(w, over=hr.last(3), values={None: [hr.Rate()]})], "needs a window of fixed duration"),
        (lambda w: [counts(w, events=w.payments(sequence="shop"))], "the sequence of 'payments'"),
        (lambda w: [counts(w, on="number", include_current=True)], "by .'number'., the events"),
        (lambda w: [counts(w, events=later(w), include_current=True)], "the row itself happens at known_at"),
        (lambda _: [(hr.feature("nothing") + 1).named("x")], "reads the feature 'nothing'"),
        (lambda _: [(hr.feature("x") + 1).named("x")], "circle: x -> x"),
        (lambda _: [(hr.feature("b") + 1).named("a"), (hr.feature("a") + 1).named("b")], "circle: a -> b -> a"),
        (lambda _: [hr.cross("shop", "status").named("x")], "is a string, not a number"),
        (lambda _: [hr.scaled("shop")], "scaled of 'shop', a string"),
        (lambda _: [hr.one_hot("amount")], "one_hot of 'amount', a float64"),
        (lambda _: [hr.haversine("shop", "lat", "lon", "lat").named("x")], "haversine does not work on a string"),
        (lambda w: [hr.target_encoding(w.labels(), by="shop", target=hr.column("status"))], "neither a number nor"),
        (lambda w: [hr.target_encoding(w.labels(), by="shop", target=hr.column("frud"))], "column 'frud'"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_an_error_of_the_definition(payments_world, features, message):
    with pytest.raises(DefinitionError, match=message):
        payments_world.compile_payments(features(payments_world))


@pytest.mark.parametrize(
    "features",
    [
        lambda _: [hr.request("number"), hr.column("fraud")],
        lambda _: [hr.request("number"), (hr.column("fraud").is_null() | (hr.column("amount") > 0)).named("x")],
        lambda _: [hr.ordinal("fraud")],
        lambda w: [hr.windows(w.asks(), by="card", over="1h", values={"fraud": [hr.Mean()]})],
        lambda w: [hr.windows(w.asks(), by="card", over="1h", values=COUNTS, where=hr.column("fraud"))],
        lambda w: [hr.windows(w.labels(), by="card", over="1h", values={"fraud": [hr.Mean()]}, include_current=True)],
        lambda w: [counts(w, on="fraud")],
        lambda _: [hr.lookup(answers(), ["fraud"])],
        lambda _: [answers()["fraud"].named("x")],
        lambda w: [hr.target_encoding(w.asks(), by="card", target=hr.column("fraud"), known_immediately=True)],
    ],
)
def test_the_target_is_refused_inside_its_own_features(payments_world, features):
    target = hr.column("fraud") & (hr.column("paid_at").year() > 0)
    with pytest.raises(DefinitionError, match=r"'fraud' of 'payments', as the target .* does: it would know") as caught:
        payments_world.compile_payments([hr.request("lat"), *features(payments_world)], target=target)
    assert ".py:" in caught.value.hint


def test_past_targets_are_features_where_the_table_says_when_they_were_known(payments_world):
    w = payments_world
    over = {"over": "30d", "values": {"fraud": [hr.Mean()]}}
    features = [
        hr.target_encoding(w.labels(), by="shop", target=hr.column("fraud")),
        hr.windows(w.labels(), by="card", **over),
        hr.as_of(hr.StateTable("last", hr.table("payments"), ["card"], valid_from="fraud_known_at"), ["fraud"]),
        hr.windows(w.payments("late", source=hr.table("payments"), available_at=None, delay="7d"), by="shop", **over),
        hr.request("amount"),
    ]
    plan = w.compile_payments(features, target=hr.column("fraud"))
    assert len(plan.features) == 5
    with pytest.raises(DefinitionError, match="column 'frod'"):
        w.compile_payments(features, target=hr.column("frod"))
    with pytest.raises(DefinitionError, match="the target 'fraud_known_at' is a timestamp, neither a condition"):
        w.compile_payments(features, target=hr.column("fraud_known_at"))
    with pytest.raises(DefinitionError, match="reads 'shop' of 'payments', as the target 'shop' does"):
        w.compile_payments(features, target=hr.column("shop"))


def counts(world, **changes):
    """Counts of payments by card."""
    declared = {"events": world.payments(), "by": "card", "over": "1h", "values": COUNTS}
    return hr.windows(**(declared | changes))


def later(world):
    """The payments as events that happen when they become known."""
    return world.payments("later", source=hr.table("payments"), event_time="known_at")


def answers():
    """The payments as a table without time, in which every row finds itself."""
    return hr.StateTable("answers", source=hr.table("payments"), keys=["number"])
