"""Training data is checked once: shapes, names, rows in the order that LightGBM wants."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from headrace.core.errors import InvalidInputError, NotFoundError


def test_some_features_are_the_same_rows_with_fewer_columns(make_data):
    data = make_data(features=4)
    some = data.select(["feature 3", "feature 1"])
    np.testing.assert_array_equal(some.values, data.values[:, [3, 1]])
    assert some.values.flags.c_contiguous
    assert some.names == ("feature 3", "feature 1")
    with pytest.raises(NotFoundError, match="no feature 'feature 9'"):
        data.select(["feature 9"])


def test_a_part_in_time_order_is_a_view_and_a_scattered_one_a_copy(make_data):
    data = make_data()
    assert np.shares_memory(data.part(data.rows(data.split.train)), data.values)
    scattered = data.split.train & (np.arange(data.labels.size) % 2 == 0)
    np.testing.assert_array_equal(data.part(data.rows(scattered)), data.values[scattered])
    assert not np.shares_memory(data.part(data.rows(scattered)), data.values)
    assert data.part(data.rows(np.zeros(data.labels.size, np.bool_))).shape == (0, 5)


def test_rows_of_a_query_are_brought_together_in_order_of_appearance(make_data):
    data = make_data(rows=6)
    ranked = dataclasses.replace(data, groups=np.array([7, 3, 7, 5, 3, 7]))
    np.testing.assert_array_equal(ranked.rows(np.ones(6, np.bool_)), [0, 2, 5, 1, 4, 3])
    np.testing.assert_array_equal(ranked.rows(np.array([0, 1, 1, 0, 1, 0], np.bool_)), [1, 4, 2])


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"names": ("a",)}, "there are 1 names"),
        ({"names": ("a", "b", "a", "c", "d")}, "'a' appears more than once"),
        (
            {"labels": np.zeros(4_000, np.float32)},
            r"labels must be bool or int64 or float64\[4000\], not float32\[4000\]",
        ),
        ({"weights": np.zeros(4_000, np.float32)}, r"weights must be float64\[4000\]"),
        ({"groups": np.zeros(3, np.int64)}, r"groups must be int64\[4000\]"),
        ({"labels": np.zeros(3, np.bool_)}, r"not bool\[3\]"),
    ],
)
def test_what_does_not_fit_is_refused(make_data, changes, text):
    with pytest.raises(InvalidInputError, match=text):
        dataclasses.replace(make_data(), **changes)
