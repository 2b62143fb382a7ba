"""Explanations: the events behind a value, found without the kernels."""

from __future__ import annotations

import math
from datetime import datetime
from zoneinfo import ZoneInfo

import numpy as np
import pytest

import headrace.features as hr
from headrace.core.errors import InvalidInputError
from headrace.features.explanations.rows import rows_behind
from headrace.features.explanations.spans import inside_span, oldest_us


def test_the_events_behind_a_mean_have_that_mean(plan, tables):
    matrix = hr.compute(plan, tables)
    for row in range(0, 120, 10):
        found = hr.explain(plan, tables, row, "origin_arr_delay_mean_2d")
        delays = [delay for delay in found.events["arr_delay"].to_pylist() if delay is not None]
        assert found.query_time_us == matrix.query_time[row]
        if delays:
            assert found.value == np.float32(sum(delays) / len(delays))
        else:
            assert math.isnan(found.value)
        count = hr.explain(plan, tables, row, "origin_count_2d")
        assert count.value == count.events.num_rows == matrix.column("origin_count_2d")[row]


def test_the_state_behind_a_value_is_one_row(plan, tables):
    for row in range(0, 120, 5):
        for name, column in (("weather_temp", "temp"), ("planes_seats", "seats")):
            found = hr.explain(plan, tables, row, name)
            values = found.events[column].to_pylist()
            assert len(values) <= 1
            assert math.isnan(found.value) if values in ([], [None]) else found.value == np.float32(values[0])


def test_other_features_show_the_row_itself(plan, tables):
    found = hr.explain(plan, tables, 3, "distance")
    assert found.events["flight_id"].to_pylist() == ["f3"]
    assert found.description == "distance of the request"


def test_an_unknown_row_is_refused(plan, tables):
    with pytest.raises(InvalidInputError, match="has 120 rows, counted from 0: there is no row 120"):
        hr.explain(plan, tables, 120, "distance")


def counted(world):
    """Counts over every extent, with a condition, other bounds, the row itself, and of everybody."""
    events, counts = world.payments(), {None: [hr.Count()]}
    others = world.payments("unordered", source=hr.table("payments"), available_at="fraud_known_at", delay="3h")
    features = [
        hr.windows(events, by="card", over=["24h", *world.extents()], values=counts),
        hr.windows(others, by="shop", over=["30d", *world.extents()], values=counts),
        hr.windows(events, by="card", over=world.extents(), values=counts, per={"status": ["ok", "failed"]}),
        hr.windows(world.asks(), by="card", over=["24h", *world.extents()], values=counts, prefix="own",
                   include_current=True, where=hr.column("amount") > 1),
        hr.windows(world.asks(), by=[], over=["6h", hr.last(7)], values=counts),
    ]  # fmt: skip
    for closed in ("right", "both", "none"):
        over = ["5h", hr.calendar_window("1mo", tz=world.BERLIN)]
        features.append(hr.windows(world.asks(), by="shop", over=over, values=counts, closed=closed, prefix=closed))
    return world.compile_payments(features)


@pytest.mark.parametrize("seed", [0, 1])
def test_as_many_events_are_listed_as_are_counted(payments_world, seed):
    """Every extent, condition and bound: the kernels count what the plain reading finds."""
    plan, tables = counted(payments_world), payments_world.make_payments(seed)
    matrix = hr.compute(plan, tables)
    for row in range(0, 120, 7):
        asking = tables["payments"].slice(row, 1)
        for feature in plan.features:
            found = rows_behind(plan, feature.step, tables, asking, int(matrix.query_time[row]))
            assert found.num_rows == matrix.column(feature.name)[row], (row, feature.name)


def test_events_are_listed_in_the_order_they_count_in(payments_world):
    """By time, availability, sequence and position: the last is `Last`, the first is `First`."""
    ends = {"amount": [hr.First(), hr.Last()]}
    plan = payments_world.compile_payments(
        [hr.windows(payments_world.payments(), by="card", over=hr.expanding(), values=ends)]
    )
    tables = payments_world.make_payments(3)
    for row in range(0, 120, 11):
        for name, place in (("card_amount_first_ever", 0), ("card_amount_last_ever", -1)):
            found = hr.explain(plan, tables, row, name)
            values = [value for value in found.events["amount"].to_pylist() if value is not None]
            expected = np.float32(values[place] if values else math.nan)
            assert found.value == expected or (math.isnan(found.value) and math.isnan(expected))


def test_an_expression_is_explained_by_what_it_reads(payments_world):
    plan, tables = payments_world.compile_payments(), payments_world.make_payments(2)
    plan = plan.only(["ratio", "card_status_ok_rate_1h", "shop_target_ever", "odd"])
    found = hr.explain(plan, tables, 50, "ratio")
    assert found.events["id"].to_pylist() == ["p50"]
    assert {each.feature for each in found.inputs} == {"all_count_1h", "card_status_ok_count_1h"}
    assert all(each.value == each.events.num_rows for each in found.inputs)
    rate = hr.explain(plan, tables, 50, "card_status_ok_rate_1h")
    assert rate.value == rate.events.num_rows == rate.inputs[0].value
    labels = hr.explain(plan, tables, 50, "shop_target_ever")
    assert [each.feature.rsplit(".", 1)[1] for each in labels.inputs] == ["sum", "count", "overall_mean"]
    assert labels.inputs[0].value == sum(filter(None, labels.events["fraud"].to_pylist()))
    assert hr.explain(plan, tables, 50, "odd").inputs == ()


BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(
    ("span", "asked", "oldest"),
    [
        (hr.calendar_window("1mo", tz="Europe/Berlin"), (2013, 3, 31, 12), (2013, 2, 28, 12)),
        (hr.calendar_window("1mo", tz="Europe/Berlin"), (2024, 3, 30, 12), (2024, 2, 29, 12)),
        (hr.calendar_window("1y", tz="Europe/Berlin"), (2024, 2, 29, 12), (2023, 2, 28, 12)),
        (hr.calendar_window("1d", tz="Europe/Berlin"), (2013, 4, 1, 12), (2013, 3, 31, 12)),
        (hr.calendar_window("1d", tz="Europe/Berlin"), (2013, 4, 1, 2, 30), (2013, 3, 31, 3, 30)),  # it was skipped
        (
            hr.calendar_window("1d", tz="Europe/Berlin"),
            (2013, 10, 28, 2, 30),
            (2013, 10, 27, 2, 30),
        ),  # the first of two
        (hr.to_date("day", tz="Europe/Berlin"), (2013, 3, 31, 12), (2013, 3, 31)),
        (hr.to_date("week", tz="Europe/Berlin"), (2013, 4, 3, 12), (2013, 4, 1)),
        (hr.to_date("month", tz="Europe/Berlin"), (2013, 4, 30, 12), (2013, 4, 1)),
        (hr.to_date("year", tz="Europe/Berlin"), (2013, 4, 30, 12), (2013, 1, 1)),
    ],
)
def test_calendars_read_the_clock_of_their_zone(span, asked, oldest):
    def microseconds(parts):
        return round(datetime(*parts, tzinfo=BERLIN).timestamp() * 1_000_000)

    query_time_us, bound_us = microseconds(asked), microseconds(oldest)
    assert oldest_us(span, query_time_us) == bound_us
    assert inside_span(span, [bound_us - 1, bound_us, query_time_us - 1], query_time_us) == [1, 2]


def test_a_session_ends_where_a_pause_is_longer():
    session = hr.session("30m")
    minute = 60_000_000
    times = [0, 5 * minute, 40 * minute, 70 * minute, 100 * minute]
    assert inside_span(session, times, 130 * minute) == [2, 3, 4]
    assert inside_span(session, times, 130 * minute + 1) == []
    assert inside_span(hr.last(2), times, 130 * minute) == [3, 4]
    assert inside_span(hr.last(9), times, 130 * minute) == [0, 1, 2, 3, 4]
