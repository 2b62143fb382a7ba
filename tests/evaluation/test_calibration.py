"""Calibration bins hold equally many rows, share ties, and add up to the sample."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.evaluation.calibration import calibrate
from headrace.evaluation.resampling import Resamples


def calibration_of(labels, scores, n_bins=10):
    resamples = Resamples.draw(np.arange(labels.size), replicates=50, seed=0)
    return calibrate(labels, scores, resamples, n_bins=n_bins, confidence=0.95)


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 6)), min_size=1, max_size=80))
@settings(deadline=None)
def test_bins_add_up_to_the_sample(rows):
    labels = np.array([label for label, _ in rows], np.bool_)
    scores = np.array([score / 6 for _, score in rows])
    found = calibration_of(labels, scores)
    assert sum(one.rows for one in found.bins) == labels.size
    assert sum(one.rows * one.rate.value for one in found.bins) == pytest.approx(labels.sum())
    assert sum(one.rows * one.mean_score for one in found.bins) == pytest.approx(scores.sum())
    means = [one.mean_score for one in found.bins]
    assert means == sorted(means)
    expected = sum(abs(one.rate.value - one.mean_score) * one.rows for one in found.bins) / labels.size
    assert found.ece.value == pytest.approx(expected)


def test_distinct_scores_fill_bins_evenly():
    scores = np.linspace(0, 1, 100)
    rows = [one.rows for one in calibration_of(scores > 0.5, scores).bins]
    assert rows == [10] * 10


def test_a_constant_score_is_one_bin():
    found = calibration_of(np.array([True, False] * 50), np.full(100, 0.3))
    assert len(found.bins) == 1
    assert found.ece.value == pytest.approx(0.2)


def test_what_happens_as_often_as_said_has_no_error():
    labels = np.array([True, False, False, False] * 100)
    assert calibration_of(labels, np.full(400, 0.25)).ece.value == pytest.approx(0.0)
