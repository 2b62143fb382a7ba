"""Calendar kernels: integer arithmetic agrees with the standard library over the whole calendar."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace_kernels.arrays import CalendarField
from headrace_kernels.cpu import cyclic as cpu
from headrace_kernels.reference import cyclic as reference

DAY_US = 86_400_000_000
FIRST_US, LAST_US = -719_162 * DAY_US, 2_932_896 * DAY_US + DAY_US - 1  # 0001-01-01 and the last moment of 9999
MOMENTS = st.lists(st.integers(FIRST_US, LAST_US), max_size=20)


@pytest.mark.parametrize("field", list(CalendarField))
@settings(max_examples=40, deadline=None)
@given(local=MOMENTS)
def test_calendar_fields_agree_with_the_standard_library(field, local):
    times = np.array(local, dtype=np.int64)
    assert cpu.calendar_field(times, int(field)).tolist() == reference.calendar_field(times, int(field)).tolist()


@pytest.mark.parametrize("field", [CalendarField.DAY, CalendarField.MONTH, CalendarField.DAY_OF_YEAR])
def test_every_day_around_leap_years_and_centuries_is_right(field):
    days = [
        int((np.datetime64(f"{year}-01-01") - np.datetime64("1970-01-01")).astype(int)) for year in (1899, 1999, 2099)
    ]
    times = np.concatenate([np.arange(start, start + 800, 1) for start in days]) * DAY_US
    assert cpu.calendar_field(times, int(field)).tolist() == reference.calendar_field(times, int(field)).tolist()


@settings(max_examples=60, deadline=None)
@given(
    utc=st.lists(st.integers(-20, 20), max_size=20), changes=st.sets(st.integers(-15, 15), max_size=4), data=st.data()
)
def test_the_offset_of_the_last_change_holds(utc, changes, data):
    transitions = np.array(sorted(changes), dtype=np.int64)
    offsets = np.array(data.draw(st.lists(st.integers(-9, 9), min_size=len(changes) + 1, max_size=len(changes) + 1)))
    times = np.array(utc, dtype=np.int64)
    compiled, plain = (module.shift_to_local(times, transitions, offsets) for module in (cpu, reference))
    assert compiled.tolist() == plain.tolist()


def test_encodings_are_table_rows():
    table = np.array([[0.5, 1.5], [2.5, np.nan]], dtype=np.float32)
    written = []
    for module in (cpu, reference):
        out = np.full((3, 3), -7, dtype=np.float32)
        module.write_encoded(np.array([1, 0, 1]), table, np.array([2, 0]), out)
        written.append(out)
    np.testing.assert_array_equal(*written)
    assert (written[0][:, 1] == -7).all()
