"""Decisions by group agree with fairlearn, carry intervals, and say where a group is too small."""

from __future__ import annotations

import json

import numpy as np
import pytest
from fairlearn import metrics as fairlearn

from headrace.evaluation import EvaluationSettings, Figure
from headrace.evaluation.fairness import four_fifths, judge_fairness
from headrace.evaluation.resampling import Resamples

SETTINGS = EvaluationSettings(replicates=300)


@pytest.fixture
def decided():
    rng = np.random.default_rng(21)
    groups = rng.choice(["a", "b", "c"], 9_000, p=[0.5, 0.3, 0.2])
    scores = rng.beta(2, 3, 9_000) - 0.12 * (groups == "b")
    labels = rng.random(9_000) < np.clip(scores, 0, 1)
    blocks = np.sort(rng.integers(0, 90, 9_000))
    return labels, scores > 0.45, groups, Resamples.draw(blocks, replicates=300, seed=0)


def test_differences_and_ratios_are_fairlearn_s(decided):
    labels, flags, groups, resamples = decided
    found = judge_fairness(labels, flags, groups, resamples, SETTINGS)
    oracles = {
        "selection_rate": (fairlearn.demographic_parity_difference, fairlearn.demographic_parity_ratio),
        "true_positive_rate": (fairlearn.equal_opportunity_difference, fairlearn.equal_opportunity_ratio),
    }
    for metric, (difference, ratio) in oracles.items():
        disparity = found.disparities[metric]
        assert disparity.lowest == "b"
        assert disparity.difference.value == pytest.approx(difference(labels, flags, sensitive_features=groups))
        assert disparity.ratio.value == pytest.approx(ratio(labels, flags, sensitive_features=groups))
        assert disparity.ratio.low < disparity.ratio.value < disparity.ratio.high
    assert four_fifths(found.disparities["selection_rate"].ratio) == "broken"
    assert [one.group for one in found.groups] == ["a", "c", "b"] or found.groups[0].group == "a"
    json.dumps(found.to_json(), allow_nan=False)


def test_replicates_are_those_of_the_drawn_rows(decided):
    labels, flags, groups, resamples = decided
    figure = next(
        one for one in judge_fairness(labels, flags, groups, resamples, SETTINGS).groups if one.group == "b"
    ).figures["precision"]
    inside = (groups == "b") & flags
    drawn = [np.average(labels[inside], weights=counts[resamples.blocks][inside]) for counts in resamples.counts]
    assert figure.error == pytest.approx(np.std(drawn, ddof=1) * np.sqrt(90 / 89))


def test_small_groups_are_said_to_be_insufficient(decided):
    labels, flags, groups, resamples = decided
    few = np.array(groups, dtype=object)
    few[:50] = None
    found = judge_fairness(labels, flags, few, resamples, SETTINGS)
    assert found.insufficient == ("(missing)",)
    alone = judge_fairness(labels, flags, np.repeat("x", 9_000), resamples, SETTINGS)
    assert not alone.disparities
    nobody = judge_fairness(labels[:40], flags[:40], groups[:40], resamples.subset(np.arange(40)), SETTINGS)
    assert (nobody.groups, len(nobody.insufficient)) == ((), 3)


def test_groups_without_a_label_or_a_decision_have_no_rate(decided):
    labels, flags, groups, resamples = decided
    nobody_right, nobody_chosen = labels & (groups != "c"), flags & (groups != "a")
    found = judge_fairness(nobody_right, nobody_chosen, groups, resamples, SETTINGS)
    by_name = {one.group: one.figures for one in found.groups}
    assert np.isnan(by_name["c"]["true_positive_rate"].value)
    assert np.isnan(by_name["a"]["precision"].value)
    assert found.disparities["selection_rate"].ratio.value == 0.0
    json.dumps(found.to_json(), allow_nan=False)


@pytest.mark.parametrize(
    ("ratio", "word"),
    [(Figure(0.9, 0.81, 0.99), "holds"), (Figure(0.7, 0.6, 0.79), "broken"), (Figure(0.85, 0.7, 0.95), "open")],
)
def test_the_four_fifths_rule_is_read_off_the_interval(ratio, word):
    assert four_fifths(ratio) == word
