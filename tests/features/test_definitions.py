"""Definitions fail where they are written, and say what is wrong, what is allowed and where."""

from __future__ import annotations

import pytest

import headrace.features as hr
from headrace.core.errors import DefinitionError
from headrace.features.durations import TimeOffset, format_duration, parse_duration_us, parse_offset

EVENTS = hr.EventTable("landings", keys=["origin", "carrier"], event_time="arrives_at")
WEATHER = hr.StateTable("weather", keys=["origin"], valid_from="observed_at")
PLANES = hr.StateTable("planes", keys=["tailnum"])
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
