"""Training data is checked once: shapes, names, labels of both kinds in every part that needs them."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from headrace.core.errors import FailedCheckError, InvalidInputError, NotFoundError
from headrace.training import SplitMasks


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
    assert np.shares_memory(data.part(data.split.train), data.values)
    scattered = data.split.train & (np.arange(data.labels.size) % 2 == 0)
    np.testing.assert_array_equal(data.part(scattered), data.values[scattered])
    assert not np.shares_memory(data.part(scattered), data.values)
    assert data.part(np.zeros(data.labels.size, np.bool_)).shape == (0, 5)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"names": ("a",)}, "there are 1 names"),
        ({"names": ("a", "b", "a", "c", "d")}, "'a' appears more than once"),
        ({"labels": np.zeros(4_000)}, r"labels must be bool\[4000\], not float64\[4000\]"),
        ({"labels": np.zeros(3, np.bool_)}, r"not bool\[3\]"),
    ],
)
def test_what_does_not_fit_is_refused(make_data, changes, text):
    with pytest.raises(InvalidInputError, match=text):
        dataclasses.replace(make_data(), **changes)


@pytest.mark.parametrize("part", ["train", "valid"])
def test_a_part_with_one_kind_of_label_is_refused_by_name(make_data, part):
    data = make_data()
    labels = data.labels & ~getattr(data.split, part)
    with pytest.raises(FailedCheckError, match=f"the {part} part has .* fewer than two labels"):
        dataclasses.replace(data, labels=labels)


def test_an_empty_part_is_refused(make_data):
    data = make_data()
    nothing = np.zeros(data.labels.size, np.bool_)
    with pytest.raises(FailedCheckError, match="the valid part has 0 rows"):
        dataclasses.replace(data, split=SplitMasks(data.split.train, nothing, data.split.test))
