"""Bootstrap replicates are the metric of the rows that were drawn, and their intervals cover what they claim."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.evaluation import metrics
from headrace.evaluation.figures import Figure
from headrace.evaluation.resampling import MAX_BLOCKS, Resamples

ROWS = st.lists(st.tuples(st.booleans(), st.integers(0, 5), st.integers(0, 4)), min_size=1, max_size=40)


def drawn(resamples, replicate):
    """Row numbers of a replicate, each as often as its block was drawn."""
    counts = resamples.counts[replicate].astype(int)[resamples.blocks]
    return np.repeat(np.arange(counts.size), counts)


@given(ROWS)
@settings(deadline=None)
def test_a_replicate_is_the_metric_of_the_drawn_rows(rows):
    labels = np.array([label for label, _, _ in rows], np.bool_)
    scores = np.array([score / 5 for _, score, _ in rows])
    resamples = Resamples.draw(np.array([block for _, _, block in rows]), replicates=6, seed=3)
    area, precision = resamples.auc(labels, scores), resamples.average_precision(labels, scores)
    brier = resamples.means(metrics.brier_losses(labels, scores))
    for replicate in range(6):
        chosen = drawn(resamples, replicate)
        expected = [m(labels[chosen], scores[chosen]) for m in (metrics.auc, metrics.average_precision, metrics.brier)]
        np.testing.assert_allclose([area[replicate], precision[replicate], brier[replicate]], expected, atol=1e-12)


def test_replicates_of_average_precision_stay_exact_to_a_hundredth_of_the_interval_beyond_the_step_limit(make_sample):
    sample = make_sample(20_000)
    resamples = Resamples.draw(sample.blocks, replicates=40, seed=3)
    found = resamples.average_precision(sample.labels, sample.scores)
    rows = [drawn(resamples, replicate) for replicate in range(40)]
    exact = [metrics.average_precision(sample.labels[chosen], sample.scores[chosen]) for chosen in rows]
    assert np.abs(found - exact).max() < 0.01 * (max(exact) - min(exact))


def test_a_subset_uses_the_same_draws():
    resamples = Resamples.draw(np.repeat(np.arange(10), 3), replicates=5, seed=0)
    rows = np.array([0, 4, 29])
    subset = resamples.subset(rows)
    np.testing.assert_array_equal(subset.blocks, resamples.blocks[rows])
    assert subset.counts is resamples.counts


def test_draws_depend_on_the_seed_and_not_on_the_ids():
    days = np.repeat(np.arange(20), 4)
    first = Resamples.draw(days, replicates=9, seed=1)
    np.testing.assert_array_equal(first.counts, Resamples.draw(days * 100 + 7, replicates=9, seed=1).counts)
    assert (first.counts != Resamples.draw(days, replicates=9, seed=2).counts).any()
    np.testing.assert_array_equal(first.counts.sum(axis=1), 20)


@pytest.mark.parametrize("blocks", [MAX_BLOCKS, MAX_BLOCKS + 1, 3 * MAX_BLOCKS])
def test_many_blocks_are_merged_with_their_neighbours(blocks):
    resamples = Resamples.draw(np.arange(blocks), replicates=2, seed=0)
    assert resamples.counts.shape[1] == MAX_BLOCKS
    assert (np.diff(resamples.blocks) >= 0).all()
    assert np.bincount(resamples.blocks).max() - np.bincount(resamples.blocks).min() <= 1


def test_an_interval_needs_replicates_that_have_an_answer():
    nearly_all = np.append(np.linspace(0, 1, 97), [np.nan] * 3)
    assert Figure.of_replicates(0.5, nearly_all, 0.95).low == pytest.approx(0.025)
    many_missing = np.append(np.linspace(0, 1, 90), [np.nan] * 10)
    assert np.isnan(Figure.of_replicates(0.5, many_missing, 0.95).low)
    assert Figure.of_replicates(0.5, np.empty(0), 0.95).to_json() == {"value": 0.5, "low": None, "high": None}


def test_intervals_over_days_cover_the_truth_where_rows_of_a_day_are_alike():
    """Rows of a day share an effect; 95 % intervals by day cover the mean, intervals by row do not.

    A percentile interval of 40 blocks is a little short: 15 to 20 of 200 samples miss where 10 should (four seeds);
    intervals by row miss 85 to 102.
    """
    rng = np.random.default_rng(5)
    days = np.repeat(np.arange(40), 25)
    missed = {"day": 0, "row": 0}
    for _ in range(200):
        values = rng.normal(size=40)[days] + rng.normal(size=days.size)
        for name, blocks in (("day", days), ("row", np.arange(days.size))):
            replicates = Resamples.draw(blocks, replicates=200, seed=0).means(values)
            figure = Figure.of_replicates(float(values.mean()), replicates, 0.95)
            missed[name] += not figure.low <= 0.0 <= figure.high
    assert missed["day"] <= 24
    assert missed["row"] > 80
