"""Paired tests agree with independent libraries, and hold their level."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score
from statsmodels.stats.contingency_tables import mcnemar as mcnemar_oracle
from statsmodels.stats.multitest import multipletests

from headrace.evaluation.paired import adjusted_p_values, delong, holm, mcnemar, sign_flip_p_value


def naive_delong(labels, first, second):
    """The textbook's double loop over pairs."""
    parts = []
    for scores in (first, second):
        pairs = (scores[labels][:, None] > scores[~labels]) + 0.5 * (scores[labels][:, None] == scores[~labels])
        parts.append((pairs.mean(axis=1), pairs.mean(axis=0)))
    positives, negatives = labels.sum(), (~labels).sum()
    covariance = np.cov(parts[0][0], parts[1][0]) / positives + np.cov(parts[0][1], parts[1][1]) / negatives
    return parts[0][0].mean() - parts[1][0].mean(), np.array([1, -1]) @ covariance @ np.array([1, -1])


@pytest.fixture
def two_models():
    rng = np.random.default_rng(11)
    labels = rng.random(500) < 0.3
    first = np.round(labels + rng.normal(size=500), 1)  # with ties
    return labels, first, np.round(0.6 * labels + 0.5 * first + rng.normal(size=500), 1)


def test_delong_is_the_textbook_s(two_models):
    labels, first, second = two_models
    found = delong(labels, first, second)
    difference, variance = naive_delong(labels, first, second)
    assert found.difference.value == pytest.approx(difference, abs=1e-12)
    assert found.difference.error**2 == pytest.approx(variance, rel=1e-9)
    assert found.first.value == pytest.approx(roc_auc_score(labels, first))
    z = difference / np.sqrt(variance)
    assert found.p_value == pytest.approx(2 * stats.norm.sf(abs(z)))
    assert found.difference.p_at_most(0.0) == pytest.approx(stats.norm.sf(z))
    low, high = stats.norm.interval(0.95, difference, np.sqrt(variance))
    assert (found.difference.low, found.difference.high) == (pytest.approx(low), pytest.approx(high))


def test_delong_of_equal_scores_is_no_difference(two_models):
    labels, first, _ = two_models
    found = delong(labels, first, first)
    assert (found.difference.value, found.p_value) == (0.0, 1.0)
    assert np.isnan(delong(np.zeros(5, bool), np.arange(5.0), np.arange(5.0)).p_value)


@pytest.mark.parametrize(("method", "exact", "corrected"), [("exact", True, None), ("chi-square", False, True)])
def test_mcnemar_is_statsmodels_s(method, exact, corrected):
    rng = np.random.default_rng(12)
    labels = rng.random(400) < 0.4
    first = np.where(rng.random(400) < 0.8, labels, ~labels)
    second = np.where(rng.random(400) < 0.7, labels, ~labels)
    found = mcnemar(labels, first, second, method=method)
    right = [[((first == labels) & (second == labels)).sum(), found.only_first_right], [found.only_second_right, 0]]
    oracle = mcnemar_oracle(np.array(right), exact=exact, correction=corrected or False)
    assert found.p_value == pytest.approx(oracle.pvalue, rel=1e-9)


def test_mid_p_lies_half_a_step_below_the_exact_p():
    labels = np.ones(30, bool)
    first, second = labels.copy(), labels.copy()
    first[:4], second[4:15] = False, False
    exact, middle = (mcnemar(labels, first, second, method=one).p_value for one in ("exact", "mid-p"))
    assert exact == pytest.approx(stats.binomtest(4, 15).pvalue)
    assert middle == pytest.approx(exact - stats.binom.pmf(4, 15, 0.5))
    assert mcnemar(labels, first, first).p_value == 1.0
    assert mcnemar(labels, first, second).to_json()["method"] == "mid-p"


@pytest.mark.parametrize(("ours", "theirs"), [("holm", "holm"), ("benjamini-hochberg", "fdr_bh")])
def test_corrections_are_statsmodels_s(ours, theirs):
    p_values = np.random.default_rng(13).beta(0.4, 2.0, 25)
    np.testing.assert_allclose(adjusted_p_values(p_values, ours), multipletests(p_values, method=theirs)[1])


def test_a_test_that_could_not_be_made_is_not_counted():
    with_gap = adjusted_p_values([0.01, np.nan, 0.04])
    np.testing.assert_allclose(with_gap[[0, 2]], [0.02, 0.04])
    assert np.isnan(with_gap[1])
    assert holm([0.01, np.nan, 0.04], 0.03) == [True, False, False]
    assert adjusted_p_values([]).size == 0


def test_sign_flips_are_scipy_s_exact_permutation_test():
    differences = np.random.default_rng(14).normal(0.4, 1.0, 10)
    blocks = np.arange(10)
    for tail, alternative in (("two-sided", "two-sided"), ("above", "greater")):
        oracle = stats.permutation_test(
            (differences,), np.sum, permutation_type="samples", n_resamples=np.inf, alternative=alternative
        )
        assert sign_flip_p_value(differences, blocks, tail=tail) == pytest.approx(oracle.pvalue)


def test_whole_blocks_change_sign_together():
    differences = np.repeat(np.random.default_rng(15).normal(size=8), 50)
    blocks = np.repeat(np.arange(8), 50)
    assert sign_flip_p_value(differences, blocks) == pytest.approx(sign_flip_p_value(differences[::50], np.arange(8)))


def test_drawn_flips_come_near_all_of_them():
    differences = np.random.default_rng(16).normal(0.3, 1.0, 40)
    found = sign_flip_p_value(differences, np.arange(40), flips=20_000)
    assert found == pytest.approx(stats.ttest_1samp(differences, 0).pvalue, abs=0.02)
