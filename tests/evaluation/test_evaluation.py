"""An evaluation holds figures with intervals, baselines and slices, all as JSON, the same every time."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

from headrace.core.errors import InvalidInputError, NotFoundError
from headrace.evaluation import EvaluationSettings, GroupRates, evaluate, metrics


@pytest.fixture
def carriers():
    return np.random.default_rng(2).choice(["AA", "UA", "WN"], 6_000)


def test_figures_are_the_metrics_inside_their_intervals(make_sample, quick):
    sample = make_sample()
    found = evaluate(sample, quick)
    assert found.figure("auc").value == metrics.auc(sample.labels, sample.scores)
    assert found.rows == 6_000
    assert found.positives == sample.labels.sum()
    for metric in ("auc", "average_precision", "log_loss", "brier"):
        figure = found.figure(metric)
        assert figure.low < figure.value < figure.high
    # ECE is a sum of absolute noise: it grows when rows are drawn again, so its interval may lie above its value.
    assert found.figure("ece").value < 0.03


def test_the_same_sample_gives_the_same_json_and_another_seed_does_not(make_sample, quick, carriers):
    sample = make_sample(groups={"carrier": carriers}, baselines={"naive": np.full(6_000, 0.2)})
    once, again = (json.dumps(evaluate(sample, quick).to_json(), sort_keys=True, allow_nan=False) for _ in range(2))
    assert once == again
    assert once != json.dumps(evaluate(sample, EvaluationSettings(replicates=200, seed=1)).to_json(), sort_keys=True)


def test_the_base_rate_baseline_knows_nothing_about_order(make_sample, quick):
    baseline = evaluate(make_sample(), quick).baselines["base_rate"]
    assert baseline.assessment.figures["auc"].value == 0.5
    assert baseline.improvement["log_loss"].low > 0
    assert baseline.improvement["auc"].value == pytest.approx(evaluate(make_sample(), quick).figure("auc").value - 0.5)


def test_improvement_is_paired_and_positive_where_the_model_is_better(make_sample, quick):
    sample = make_sample()
    noisy = np.clip(sample.scores + np.random.default_rng(3).normal(0, 0.02, 6_000), 0, 1)
    found = evaluate(dataclasses.replace(sample, baselines={"noisy": noisy}), quick)
    improvement = found.baselines["noisy"].improvement["auc"]
    own = found.figure("auc")
    assert improvement.high - improvement.low < 0.3 * (own.high - own.low)
    assert improvement.value > 0


def test_slices_are_the_metrics_of_their_rows(make_sample, quick, carriers):
    sample = make_sample(groups={"carrier": carriers})
    slicing = evaluate(sample, quick).slicings["carrier"]
    assert sum(one.rows for one in slicing.slices) == 6_000
    for one in slicing.slices:
        rows = carriers == one.group
        assert one.figures["auc"].value == metrics.auc(sample.labels[rows], sample.scores[rows])
        assert one.figures["auc"].low < one.figures["auc"].value < one.figures["auc"].high
        assert one.label_rate == sample.labels[rows].mean()
    areas = {one.group: one.figures["auc"].value for one in slicing.slices}
    gap = slicing.gaps["auc"]
    assert gap.figure.value == pytest.approx(areas[gap.highest] - areas[gap.lowest])
    assert areas[gap.highest] == max(areas.values())


def test_groups_too_small_or_of_one_class_are_named_and_not_judged(make_sample, quick):
    sample = make_sample()
    groups = np.where(sample.labels, "always", "mixed").astype(object)
    groups[:150] = "small"
    groups[-500:] = None
    slicing = evaluate(dataclasses.replace(sample, groups={"g": groups}), quick).slicings["g"]
    assert [one.group for one in slicing.slices] == ["(missing)"]
    assert slicing.left_out == ("always", "mixed", "small")
    assert slicing.gaps == {}


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"labels": np.zeros(0, np.bool_)}, "nothing to evaluate"),
        ({"labels": np.zeros(6_000)}, "labels must be bool, not float64"),
        ({"scores": np.zeros(3)}, r"scores has shape \(3,\), labels have \(6000,\)"),
        ({"scores": np.full(6_000, 1.5)}, "scores must be probabilities"),
        ({"scores": np.full(6_000, np.nan)}, "scores must be probabilities"),
        ({"baselines": {"naive": np.full(6_000, -1.0)}}, "naive must be probabilities"),
        ({"groups": {"carrier": np.zeros(2)}}, r"group 'carrier' has shape \(2,\)"),
    ],
)
def test_what_is_no_sample_is_refused_with_the_reason(make_sample, changes, text):
    with pytest.raises(InvalidInputError, match=text):
        make_sample(**changes)


def test_an_unknown_metric_is_refused_with_the_known(make_sample, quick):
    with pytest.raises(NotFoundError, match="no metric 'acu'; known: auc") as caught:
        evaluate(make_sample(), quick).figure("acu")
    assert caught.value.hint == "did you mean 'auc'?"


def test_group_rates_are_smoothed_rates_of_the_training_rows():
    carrier = np.array(["AA"] * 80 + ["UA"] * 20)
    labels = np.array([True] * 40 + [False] * 60)
    rates = GroupRates.fit(labels, carrier)
    scores = rates.predict(np.array(["AA", "UA", "never seen"]))
    np.testing.assert_allclose(scores, [(40 + 20 * 0.4) / 100, (0 + 20 * 0.4) / 40, 0.4])


def test_group_rates_combine_columns_and_need_rows():
    carrier, hour = np.array(["AA", "AA", "UA"]), np.array([1, 2, 1])
    rates = GroupRates.fit(np.array([True, False, False]), carrier, hour)
    assert len(rates.rates) == 3
    assert rates.predict(np.array(["AA"]), np.array([1]))[0] > rates.predict(np.array(["AA"]), np.array([2]))[0]
    with pytest.raises(InvalidInputError, match="needs training rows"):
        GroupRates.fit(np.zeros(0, np.bool_), np.zeros(0))
