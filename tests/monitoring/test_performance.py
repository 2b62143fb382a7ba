"""Realised quality by window, against scikit-learn and a hand-made DeLong."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics

from headrace.core.errors import InvalidInputError
from headrace.monitoring import performance_by_window, quality_loss
from headrace.monitoring.performance import area_under_curve

START = datetime(2013, 11, 1, tzinfo=UTC)
WEEK = timedelta(days=7)
WEEK_US = 7 * 86_400_000_000
START_US = round(START.timestamp() * 1e6)


def naive_delong(scores, labels):
    """Kernel over all pairs, as the paper has it."""
    x, y = scores[labels == 1], scores[labels == 0]
    psi = np.array([[1.0 if a > b else 0.5 if a == b else 0.0 for b in y] for a in x])
    v10, v01 = psi.mean(axis=1), psi.mean(axis=0)
    variance = (v10.var(ddof=1) / len(x) if len(x) > 1 else 0) + (v01.var(ddof=1) / len(y) if len(y) > 1 else 0)
    return psi.mean(), variance**0.5


@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=2, max_size=40))
def test_the_area_and_its_error_are_those_of_all_pairs(pairs):
    scores = np.array([p[0] for p in pairs], dtype=np.float64) / 5
    labels = np.array([p[1] for p in pairs], dtype=np.float64)
    if labels.min() == labels.max():
        assert area_under_curve(scores, labels) is None
        return
    assert area_under_curve(scores, labels) == pytest.approx(naive_delong(scores, labels), abs=1e-12)


def test_windows_measure_what_scikit_learn_does():
    generator = np.random.default_rng(1)
    n = 3_000
    times = START_US + generator.integers(0, 3 * WEEK_US, n)
    scores = generator.random(n).astype(np.float32)
    labels = (generator.random(n) < scores).astype(np.float64)
    labels[::10] = np.nan
    windows = performance_by_window(times, scores, labels, start=START, window=WEEK)
    assert [w.start for w in windows] == [START + k * WEEK for k in range(3)]
    assert sum(w.rows for w in windows) == n
    for number, window in enumerate(windows):
        rows = ((times - START_US) // WEEK_US == number) & ~np.isnan(labels)
        p, y = scores[rows].astype(np.float64), labels[rows]
        assert window.labelled == rows.sum()
        assert window.auc == pytest.approx(metrics.roc_auc_score(y, p), abs=1e-12)
        assert window.auc_low < window.auc < window.auc_high
        assert window.log_loss == pytest.approx(metrics.log_loss(y, p), rel=1e-9)
        assert window.brier == pytest.approx(metrics.brier_score_loss(y, p), rel=1e-9)


def test_windows_without_labels_or_rows_say_nothing():
    times = np.array([START_US, START_US + 2 * WEEK_US])
    scores = np.array([0.2, 0.9])
    windows = performance_by_window(times, scores, np.array([np.nan, 1.0]), start=START, window=WEEK)
    assert [(w.rows, w.labelled, w.auc) for w in windows] == [(1, 0, None), (0, 0, None), (1, 1, None)]
    assert windows[0].log_loss is None
    assert windows[2].base_rate == 1.0
    assert quality_loss(0.77, windows[0]) is None
    assert windows[0].to_json()["start"] == "2013-11-01T00:00:00+00:00"


def test_no_rows_are_no_windows():
    empty = np.empty(0)
    assert performance_by_window(empty.astype(np.int64), empty, empty, start=START, window=WEEK) == []


def test_quality_is_lost_only_beyond_the_interval():
    scores = np.linspace(0, 1, 200)
    times = np.full(200, START_US)
    good = performance_by_window(times, scores, (scores > 0.5).astype(float), start=START, window=WEEK)[0]
    bad = performance_by_window(times, scores, np.arange(200) % 2.0, start=START, window=WEEK)[0]
    assert quality_loss(0.77, good) == 0.0
    assert 0.1 < quality_loss(0.77, bad) < 0.27


@pytest.mark.parametrize(("scores", "window"), [([0.1, np.nan], WEEK), ([0.1], WEEK), ([0.1, 0.2], timedelta(0))])
def test_input_that_does_not_fit_is_refused(scores, window):
    with pytest.raises(InvalidInputError, match="the lengths must agree"):
        performance_by_window(
            np.array([START_US, START_US]), np.array(scores), np.array([0.0, 1.0]), start=START, window=window
        )


def test_every_order_of_the_rows_measures_the_same():
    scores, labels = np.array([0.1, 0.4, 0.4, 0.8]), np.array([0.0, 1.0, 0.0, 1.0])
    found = {area_under_curve(scores[list(order)], labels[list(order)]) for order in itertools.permutations(range(4))}
    assert len(found) == 1
