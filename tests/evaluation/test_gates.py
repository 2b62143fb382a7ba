"""An interval passes a gate; a point value alone never does, and a figure that is missing never passes."""

from __future__ import annotations

import dataclasses
import json
import math

import numpy as np
import pytest

from headrace.core.errors import DefinitionError, FailedCheckError, NotFoundError
from headrace.evaluation import (
    AtLeast,
    AtMost,
    EvaluationSettings,
    Figure,
    Improves,
    MaxGap,
    evaluate,
    gate_json,
    judge,
)


@pytest.fixture
def evaluation(make_sample, quick):
    carriers = np.random.default_rng(2).choice(["AA", "UA"], 6_000)
    return evaluate(make_sample(groups={"carrier": carriers}), quick)


def with_figure(evaluation, **figures):
    model = dataclasses.replace(evaluation.model, figures={**evaluation.model.figures, **figures})
    return dataclasses.replace(evaluation, model=model)


@pytest.mark.parametrize(
    ("gate", "figure", "passed"),
    [
        (AtLeast("auc", 0.7), Figure(0.75, 0.70, 0.80), True),
        (AtLeast("auc", 0.7), Figure(0.75, 0.69, 0.80), False),
        (AtLeast("auc", 0.7), Figure(0.75, math.nan, math.nan), False),
        (AtMost("ece", 0.05), Figure(0.03, 0.02, 0.05), True),
        (AtMost("ece", 0.05), Figure(0.03, 0.02, 0.06), False),
        (AtMost("ece", 0.05), Figure(0.03, math.nan, math.nan), False),
    ],
)
def test_the_far_end_of_the_interval_decides(evaluation, gate, figure, passed):
    verdict = gate.judge(with_figure(evaluation, **{gate.metric: figure}))
    assert verdict.passed is passed
    assert verdict.figure == figure
    assert f"{figure.value:.3f}" in verdict.reason


def test_the_gap_gate_names_the_groups(evaluation):
    verdict = MaxGap("auc", by="carrier", gap=0.1).judge(evaluation)
    assert verdict.passed
    assert "AA" in verdict.reason
    assert "UA" in verdict.reason
    assert not MaxGap("auc", by="carrier", gap=verdict.figure.high / 2).judge(evaluation).passed


def test_the_gap_gate_fails_where_fewer_than_two_groups_can_be_judged(make_sample):
    groups = {"carrier": np.full(6_000, "AA")}
    evaluation = evaluate(make_sample(groups=groups), EvaluationSettings(replicates=20))
    verdict = MaxGap("auc", by="carrier", gap=1.0).judge(evaluation)
    assert not verdict.passed
    assert verdict.reason == "fewer than two groups of carrier have 200 rows and both labels"
    json.dumps(verdict.to_json(), allow_nan=False)


def test_improvement_over_a_baseline(evaluation):
    assert Improves().judge(evaluation).passed
    assert Improves(over="base_rate", metric="auc", by=0.1).judge(evaluation).passed
    assert not Improves(over="base_rate", metric="auc", by=0.4).judge(evaluation).passed


def test_what_the_evaluation_does_not_hold_is_named(evaluation):
    with pytest.raises(NotFoundError, match="not sliced by 'carriers'; it is by: carrier") as caught:
        MaxGap("auc", by="carriers", gap=0.1).judge(evaluation)
    assert caught.value.hint == "did you mean 'carrier'?"
    with pytest.raises(NotFoundError, match="no baseline 'naive'; known: base_rate"):
        Improves(over="naive").judge(evaluation)


@pytest.mark.parametrize(
    "define",
    [
        lambda: AtLeast("acu", 0.7),
        lambda: AtMost("auc", math.nan),
        lambda: MaxGap("ece", by="carrier", gap=0.1),
        lambda: Improves(metric="ece"),
    ],
)
def test_a_gate_that_cannot_be_judged_fails_where_it_is_defined(define):
    with pytest.raises(DefinitionError):
        define()


def test_a_report_passes_when_every_gate_does(evaluation):
    good = judge([AtLeast("auc", 0.6), Improves()], evaluation)
    assert good.passed
    assert str(good) == "2 of 2 gates passed"
    good.require()
    bad = judge([AtLeast("auc", 0.6), AtLeast("auc", 0.99)], evaluation)
    assert not bad.passed
    with pytest.raises(FailedCheckError, match=r"1 of 2 gates passed: 'auc at least 0\.99' failed: auc is 0\."):
        bad.require()
    assert json.loads(json.dumps(bad.to_json()))["passed"] is False


def test_no_gates_pass(evaluation):
    assert judge([], evaluation).passed


def test_a_definition_is_json():
    assert gate_json(MaxGap("auc", by="carrier", gap=0.1)) == {
        "gate": "MaxGap",
        "metric": "auc",
        "by": "carrier",
        "gap": 0.1,
    }
