"""The verification that packages run: it finds nothing in a good export, and finds what is wrong in a bad one."""

from __future__ import annotations

import numpy as np
import pytest

from headrace.core.errors import InvalidInputError
from headrace.packaging.export import ExportReport, export_lightgbm, verify_export
from headrace.packaging.export.verify import max_abs_difference


@pytest.fixture(scope="module")
def booster(table, train):
    values, signal = table()
    return train({"objective": "binary"}, values, (signal > 0).astype(float))


def test_good_export_is_reported_exact(booster, hostile_rows, run):
    """Zero mismatches over more rows than one chunk holds."""
    rows = hostile_rows(booster.model_to_string(), 20_000)
    report = verify_export(booster, export_lightgbm(booster), rows, run=run)
    largest = report.max_abs_diff
    assert report == ExportReport(rows=20_000, leaf_mismatches=0, max_abs_diff=largest, max_scaled_diff=largest)
    assert report.max_abs_diff <= 2e-6


def test_another_model_is_found_out(booster, hostile_rows, run):
    """A model of fewer iterations predicts otherwise."""
    rows = hostile_rows(booster.model_to_string(), 1000)
    report = verify_export(booster, export_lightgbm(booster, num_iteration=10), rows, run=run)
    assert report.max_abs_diff > 1e-3


def test_wrong_leaves_are_counted(booster, hostile_rows, run):
    """Each (row, tree) that lands elsewhere counts once."""
    rows = hostile_rows(booster.model_to_string(), 50)

    def off_by_one(model, chunk):
        answer = run(model, chunk)
        return answer + 1 if answer.dtype == np.int32 else answer

    report = verify_export(booster, export_lightgbm(booster), rows, run=off_by_one)
    assert report.leaf_mismatches == 50 * booster.num_trees()


@pytest.mark.parametrize("rows", [np.zeros((3, 8)), np.zeros(8, dtype=np.float32)])
def test_rows_of_another_kind_are_refused(rows, booster, run):
    """The comparison is only fair on the float32 matrix that the model reads."""
    with pytest.raises(InvalidInputError, match="float32 matrix"):
        verify_export(booster, b"", rows, run=run)


def test_differences_of_special_values():
    """Two NaN and two equal infinities agree; NaN beside a number is as wrong as can be."""
    nan, inf = np.nan, np.inf
    assert max_abs_difference(np.array([nan, inf, 1.0]), np.array([nan, inf, 1.0])) == 0.0
    assert max_abs_difference(np.array([1.0, 2.0]), np.array([1.0, 2.5])) == 0.5
    assert max_abs_difference(np.array([nan]), np.array([1.0])) == inf
    with pytest.raises(InvalidInputError, match="shape"):
        max_abs_difference(np.zeros((2, 1)), np.zeros(2))
