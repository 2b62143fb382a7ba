"""Figures of decisions are scikit-learn's, and their replicates are those of the drawn rows."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics

from headrace.evaluation.decisions import decide_at, flag
from headrace.evaluation.resampling import Resamples
from headrace.evaluation.thresholds import CostThreshold, worth_of


@pytest.fixture
def judged(make_sample):
    sample = make_sample()
    return sample, Resamples.draw(sample.blocks, replicates=200, seed=0)


def test_values_agree_with_scikit_learn(judged):
    sample, resamples = judged
    found = decide_at(sample.labels, sample.scores, 0.35, resamples, 0.95)
    said = flag(sample.scores, 0.35)
    tn, fp, fn, tp = metrics.confusion_matrix(sample.labels, said).ravel()
    assert found.counts == {"tp": tp, "fp": fp, "fn": fn, "tn": tn}
    wanted = {
        "precision": metrics.precision_score(sample.labels, said),
        "recall": metrics.recall_score(sample.labels, said),
        "accuracy": metrics.accuracy_score(sample.labels, said),
        "f1": metrics.f1_score(sample.labels, said),
        "false_positive_rate": fp / (fp + tn),
        "selection_rate": said.mean(),
    }
    assert {name: figure.value for name, figure in found.figures.items()} == pytest.approx(wanted)
    for figure in found.figures.values():
        assert figure.low < figure.value < figure.high


def test_an_interval_is_that_of_the_drawn_rows(judged):
    sample, resamples = judged
    found = decide_at(sample.labels, sample.scores, 0.35, resamples, 0.95).figures["precision"]
    said = flag(sample.scores, 0.35)
    drawn = []
    for counts in resamples.counts:
        weight = counts[resamples.blocks]
        drawn.append(metrics.precision_score(sample.labels, said, sample_weight=weight))
    spread = np.std(drawn, ddof=1) * np.sqrt(60 / 59)
    assert found.error == pytest.approx(spread)


def test_profit_is_paired_with_acting_on_nobody_and_everybody(judged):
    sample, resamples = judged
    worth = worth_of(CostThreshold(fp=1, fn=4), sample.labels.size)
    found = decide_at(sample.labels, sample.scores, 0.2, resamples, 0.95, worth)
    counts, rows = found.counts, sample.labels.size
    profit = (-counts["fp"] - 4 * counts["fn"]) / rows
    assert found.figures["profit"].value == pytest.approx(profit)
    assert found.over_nobody.value == pytest.approx(profit + 4 * sample.labels.mean())
    assert found.over_everybody.value == pytest.approx(profit + (~sample.labels).mean())
    assert found.to_json()["profit_over_nobody"]["low"] > 0


def test_scores_meet_the_threshold_as_float32():
    threshold = float(np.float32(0.1))
    assert flag(np.array([0.1, threshold - 1e-12, 0.0999]), threshold).tolist() == [True, True, False]


def test_nobody_acted_on_leaves_precision_open(judged):
    sample, resamples = judged
    found = decide_at(sample.labels, sample.scores, np.inf, resamples, 0.95)
    assert np.isnan(found.figures["precision"].value)
    assert found.to_json()["threshold"] is None
    assert found.figures["recall"].value == 0.0
