"""Explanations: the events behind a value, found without the kernels."""

from __future__ import annotations

import math

import numpy as np
import pytest

import headrace.features as hr
from headrace.core.errors import InvalidInputError


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
