"""A thinned ROC curve keeps its ends, its order and its area."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_curve as oracle

from headrace.evaluation import metrics
from headrace.evaluation.curves import MAX_POINTS, roc_curve


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 9)), min_size=2, max_size=50))
@settings(deadline=None)
def test_small_samples_keep_every_point_scikit_learn_has(rows):
    labels = np.array([label for label, _ in rows], np.bool_)
    scores = np.array([score / 9 for _, score in rows])
    curve = roc_curve(labels, scores)
    if labels.all() or not labels.any():
        assert curve.false_positive_rate == ()
        return
    x, y, _ = oracle(labels, scores, drop_intermediate=False)
    np.testing.assert_allclose(curve.false_positive_rate, x)
    np.testing.assert_allclose(curve.true_positive_rate, y)


def test_large_samples_are_thinned_without_moving_the_area(make_sample):
    sample = make_sample(50_000)
    curve = roc_curve(sample.labels, sample.scores)
    x, y = np.array(curve.false_positive_rate), np.array(curve.true_positive_rate)
    assert x.size <= MAX_POINTS
    assert (x[0], y[0], x[-1], y[-1]) == (0, 0, 1, 1)
    assert (np.diff(x) >= 0).all()
    assert (np.diff(y) >= 0).all()
    # 200 points along a curve of length 2 miss slivers of at most (1/100)^2 / 2 each.
    assert np.trapezoid(y, x) == pytest.approx(metrics.auc(sample.labels, sample.scores), abs=2e-3)
