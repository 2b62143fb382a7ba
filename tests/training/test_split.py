"""Parts of a split follow one another in time, share no row, and leave out what a purge gap covers."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.core.errors import DefinitionError, FailedCheckError
from headrace.training import TimeSplit

HOUR_US = 3_600_000_000
JANUARY_2013 = 1_356_998_400_000_000


def us(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 1_000_000


@given(hours=st.lists(st.integers(0, 365 * 24), max_size=30), purge=st.integers(0, 100))
def test_parts_share_no_row_and_follow_one_another(hours, purge):
    split = TimeSplit(train="2013-09-01", valid="2013-11-01", purge=f"{purge}h")
    anchors = [us("2013-05-01"), us("2013-10-01"), us("2013-12-01")]
    times = np.array(anchors + [JANUARY_2013 + hour * HOUR_US for hour in hours])
    masks = split.masks(times)
    assert (masks.train.astype(int) + masks.valid + masks.test).max() == 1
    assert times[masks.train].max() < us("2013-09-01") - purge * HOUR_US
    assert times[masks.valid].min() >= us("2013-09-01")
    assert times[masks.valid].max() < us("2013-11-01") - purge * HOUR_US
    assert times[masks.test].min() >= us("2013-11-01")
    unassigned = ~(masks.train | masks.valid | masks.test)
    for moment in times[unassigned]:
        assert any(0 < us(end) - moment <= purge * HOUR_US for end in ("2013-09-01", "2013-11-01"))


def test_an_end_belongs_to_the_next_part():
    times = np.array([us("2013-08-31"), us("2013-09-01"), us("2013-11-01"), us("2013-12-01")])
    masks = TimeSplit(train="2013-09-01", valid="2013-11-01").masks(times)
    assert masks.train.tolist() == [True, False, False, False]
    assert masks.valid.tolist() == [False, True, False, False]
    assert masks.test.tolist() == [False, False, True, True]


def test_dates_are_midnights_in_the_given_zone():
    edge = us("2013-09-01T04:00:00")
    times = np.array([edge - 1, edge, us("2013-12-01")])
    masks = TimeSplit(train="2013-09-01", valid="2013-11-01", tz="America/New_York").masks(times)
    assert masks.train.tolist() == [True, False, False]


def test_a_test_end_leaves_out_what_is_later():
    times = np.array([us("2013-08-01"), us("2013-10-01"), us("2013-11-15"), us("2013-12-15")])
    masks = TimeSplit(train="2013-09-01", valid="2013-11-01", test="2013-12-01").masks(times)
    assert masks.test.tolist() == [False, False, True, False]


def test_rows_without_a_label_are_in_no_part():
    times = np.array([us("2013-08-01"), us("2013-08-02"), us("2013-10-01"), us("2013-11-15")])
    masks = TimeSplit(train="2013-09-01", valid="2013-11-01").masks(times)
    assert masks.within(np.array([False, True, True, True])).train.tolist() == [False, True, False, False]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"train": "2013-11-01", "valid": "2013-09-01"}, "must follow one another"),
        ({"train": "2013-09-01", "valid": "2013-09-01"}, "must follow one another"),
        ({"train": "2013-09-01", "valid": "2013-11-01", "test": "2013-10-01"}, "must follow one another"),
        ({"train": "September", "valid": "2013-11-01"}, "'September' is no ISO date"),
        ({"train": "2013-09-01", "valid": "2013-11-01", "tz": "New York"}, "no time zone 'New York'"),
        ({"train": "2013-09-01", "valid": "2013-11-01", "purge": "soon"}, "'soon'"),
    ],
)
def test_a_split_that_cannot_be_fails_where_it_is_defined(arguments, text):
    with pytest.raises(DefinitionError, match=text):
        TimeSplit(**arguments)


def test_an_empty_part_is_named_with_the_span_of_the_data():
    split = TimeSplit(train="2013-09-01", valid="2013-11-01")
    with pytest.raises(
        FailedCheckError, match=r"the test part .* has no rows; times run from 2013-08-01.* to 2013-10-01"
    ):
        split.masks(np.array([us("2013-08-01"), us("2013-10-01")]))
    with pytest.raises(FailedCheckError, match="no rows at all"):
        split.masks(np.empty(0, np.int64))
