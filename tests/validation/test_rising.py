"""Columns that rise from row to row, and the checks that may rely on it."""

from itertools import pairwise

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.validation import Field, Schema, validate
from headrace.validation.rising import strictly_rising

ROWS = 3_000  # more than the first rows that are looked at


@given(st.lists(st.integers(-(2**63), 2**63 - 1) | st.none(), max_size=30))
def test_a_column_rises_when_every_value_is_above_the_one_before(values):
    wanted = None not in values and all(a < b for a, b in pairwise(values))
    assert strictly_rising(pl.Series(values, dtype=pl.Int64)) is wanted


@pytest.mark.parametrize("dtype", [pl.Float64, pl.String])
def test_columns_that_are_neither_integers_nor_times_are_not_asked(dtype):
    assert not strictly_rising(pl.Series(["1", "2", "3"]).cast(dtype))


def test_times_rise():
    moments = pl.Series([1, 2, 5]).cast(pl.Datetime("us", "UTC"))
    assert strictly_rising(moments)
    assert not strictly_rising(moments.reverse())


class TestDistinctValues:
    """A check of distinct values sees repeats wherever they are."""

    @pytest.mark.parametrize("again", [1, 1_500, ROWS - 1])
    def test_a_repeat_behind_rising_rows_is_found(self, again):
        values = list(range(ROWS))
        values[again] = values[again - 1]
        report = validate(pl.DataFrame({"id": values}).to_arrow(), Schema([Field("id", "int64", unique=True)]))
        assert report.rejected["id"].to_pylist() == [values[again]]

    def test_of_several_columns_one_that_rises_is_enough(self):
        table = pl.DataFrame({"id": range(ROWS), "place": ["EWR"] * ROWS}).to_arrow()
        schema = Schema([Field("id", "int64"), Field("place", "string")], unique=["id", "place"])
        assert not validate(table, schema).rejected.num_rows
