"""Metrics equal scikit-learn's, ties included, and say NaN where a sample cannot say."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as oracle

from headrace.evaluation import metrics

# Scores on a grid make ties common; the ends are where logarithms break.
ROWS = st.lists(st.tuples(st.booleans(), st.integers(0, 8)), min_size=2, max_size=60)


def arrays(rows):
    labels = np.array([label for label, _ in rows], np.bool_)
    return labels, np.array([score / 8 for _, score in rows])


@given(ROWS)
@settings(deadline=None)
def test_metrics_equal_scikit_learns(rows):
    labels, scores = arrays(rows)
    assert metrics.brier(labels, scores) == pytest.approx(oracle.brier_score_loss(labels, scores), abs=1e-12)
    clipped = np.clip(scores, metrics.LOG_LOSS_CLIP, 1 - metrics.LOG_LOSS_CLIP)
    assert metrics.log_loss(labels, scores) == pytest.approx(
        oracle.log_loss(labels, clipped, labels=[False, True]), rel=1e-12
    )
    if 0 < labels.sum() < labels.size:
        assert metrics.auc(labels, scores) == pytest.approx(oracle.roc_auc_score(labels, scores), abs=1e-12)
    if labels.any():
        expected = oracle.average_precision_score(labels, scores)
        assert metrics.average_precision(labels, scores) == pytest.approx(expected, abs=1e-12)


@given(ROWS)
def test_auc_is_the_share_of_ordered_pairs(rows):
    labels, scores = arrays(rows)
    pairs = [(high > low) + 0.5 * (high == low) for high in scores[labels] for low in scores[~labels]]
    found = metrics.auc(labels, scores)
    assert np.isnan(found) if not pairs else found == pytest.approx(np.mean(pairs), abs=1e-12)


@given(ROWS)
def test_auc_does_not_change_under_a_rising_transformation(rows):
    labels, scores = arrays(rows)
    np.testing.assert_equal(metrics.auc(labels, scores**3 / 2), metrics.auc(labels, scores))


@pytest.mark.parametrize("metric", [metrics.auc, metrics.average_precision, metrics.log_loss, metrics.brier])
def test_an_empty_sample_says_nothing(metric):
    assert np.isnan(metric(np.zeros(0, np.bool_), np.zeros(0)))


def test_one_class_says_nothing_about_order():
    assert np.isnan(metrics.auc(np.ones(3, np.bool_), np.arange(3.0)))
    assert np.isnan(metrics.average_precision(np.zeros(3, np.bool_), np.arange(3.0)))


def test_certain_and_wrong_is_bounded():
    assert metrics.log_loss(np.array([True]), np.array([0.0])) == pytest.approx(-np.log(metrics.LOG_LOSS_CLIP))
