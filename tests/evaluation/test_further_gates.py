"""Gates on groups, rivals and use: what each tests, and that it says why."""

from __future__ import annotations

import dataclasses
import json
import math

import numpy as np
import pytest

from headrace.core.errors import DefinitionError, NotFoundError
from headrace.evaluation import (
    GATES,
    Absence,
    AtThreshold,
    Calibrated,
    Examined,
    Fair,
    Figure,
    NonInferior,
    Robust,
    SliceFloor,
    Superior,
    evaluate,
    gate_json,
)
from headrace.evaluation.decisions import decide_at, flag
from headrace.evaluation.fairness import judge_fairness
from headrace.evaluation.known_gates import need_champion, sensitive_columns, sliced_columns
from headrace.evaluation.paired import contest_slices
from headrace.evaluation.resampling import Resamples
from headrace.evaluation.robustness import Damage, Robustness
from headrace.evaluation.thresholds import CostThreshold, worth_of


@pytest.fixture
def judged(make_sample, quick):
    """An evaluation with everything gates may ask for; group `b` is scored at random."""
    rng = np.random.default_rng(51)
    sample = make_sample(rows=9_000)
    groups = rng.choice(["a", "b", "c"], 9_000)
    scores = np.where(groups == "b", rng.permutation(sample.scores), sample.scores)
    champion = sample.scores
    sample = dataclasses.replace(
        sample, scores=scores, groups={"letter": groups}, baselines={"champion": champion, "naive": np.full(9_000, 0.3)}
    )
    resamples = Resamples.draw(sample.blocks, replicates=200, seed=0)
    worth = worth_of(CostThreshold(fp=1, fn=4), 9_000)
    examined = Examined(
        decisions=decide_at(sample.labels, scores, 0.2, resamples, 0.95, worth),
        fairness={"letter": judge_fairness(sample.labels, flag(scores, 0.2), groups, resamples, quick)},
        robustness=Robustness("auc", 0.7, 9_000, (Damage("nulls", "x missing", "x", 0.65, Figure(0.05, 0.04, 0.06)),)),
        contests={("champion", "auc"): contest_slices(sample, champion, sample.groups, "auc", quick)},
        absent={"elder": Absence("never registered", harmless=True), "stranger": Absence("reads other features")},
    )
    return dataclasses.replace(evaluate(sample, quick), examined=examined)


def test_a_floor_names_the_group_that_falls_through_it(judged):
    verdict = SliceFloor("auc", by="letter", bound=0.6).judge(judged)
    assert not verdict.passed
    assert verdict.reason.startswith("b: significantly beyond 0.6 (Holm over 3 groups)")
    assert SliceFloor("auc", by="letter", bound=0.45).judge(judged).passed
    assert SliceFloor("brier", by="letter", bound=0.5).judge(judged).passed
    assert not SliceFloor("brier", by="letter", bound=0.01).judge(judged).passed


def test_a_floor_needs_groups_that_can_be_judged(judged):
    empty = dataclasses.replace(judged.slicings["letter"], slices=())
    verdict = SliceFloor("auc", by="letter", bound=0.1).judge(dataclasses.replace(judged, slicings={"letter": empty}))
    assert not verdict.passed
    assert math.isnan(verdict.figure.value)
    with pytest.raises(NotFoundError, match="letter"):
        SliceFloor("auc", by="lettre", bound=0.1).judge(judged)


def test_a_challenger_that_one_group_pays_for_is_refused(judged):
    verdict = NonInferior(margin=0.15, by="letter").judge(judged)
    assert not verdict.passed
    assert "worse in letter b" in verdict.reason
    assert NonInferior(margin=0.15).judge(judged).passed
    assert not NonInferior(margin=0.001).judge(judged).passed
    assert not Superior().judge(judged).passed
    assert Superior("naive", "brier").judge(judged).passed is (judged.baselines["naive"].improvement["brier"].low > 0)


def test_a_rival_that_is_not_there_passes_only_where_nothing_can_be_lost(judged):
    assert NonInferior("elder").judge(judged).passed
    assert NonInferior("elder").judge(judged).reason == "never registered"
    assert not Superior("stranger").judge(judged).passed
    with pytest.raises(NotFoundError, match="champion"):
        Superior("champignon").judge(judged)


def test_fairness_must_be_shown(judged):
    ratio = judged.examined.fairness["letter"].disparities["selection_rate"].ratio
    assert Fair("letter", ratio_at_least=ratio.low).judge(judged).passed
    verdict = Fair("letter", ratio_at_least=(ratio.low + ratio.value) / 2).judge(judged)
    assert not verdict.passed
    assert "low end must reach" in verdict.reason
    with pytest.raises(NotFoundError, match="letter"):
        Fair("origin").judge(judged)
    alone = dataclasses.replace(judged.examined.fairness["letter"], disparities={}, insufficient=("b",))
    examined = dataclasses.replace(judged.examined, fairness={"letter": alone})
    verdict = Fair("letter").judge(dataclasses.replace(judged, examined=examined))
    assert not verdict.passed
    assert "too few rows" in verdict.reason


def test_decisions_are_held_to_the_far_end(judged):
    recall = judged.examined.decisions.figures["recall"]
    assert AtThreshold("recall", at_least=recall.low).judge(judged).passed
    assert not AtThreshold("recall", at_least=recall.value).judge(judged).passed
    assert AtThreshold("selection_rate", at_most=0.99).judge(judged).passed
    assert "profit" in AtThreshold("profit", at_least=-9).judge(judged).reason
    with pytest.raises(NotFoundError, match="threshold"):
        AtThreshold("recall", at_least=0.1).judge(dataclasses.replace(judged, examined=Examined()))


def test_reliability_is_broken_bin_by_bin(make_sample, quick):
    sample = make_sample(rows=9_000)
    good = evaluate(sample, quick)
    assert Calibrated(within=0.05).judge(good).passed
    bad = evaluate(dataclasses.replace(sample, scores=sample.scores**2), quick)
    verdict = Calibrated(within=0.05).judge(bad)
    assert not verdict.passed
    assert "where the model says" in verdict.reason


def test_robustness_is_held_for_each_kind(judged):
    assert Robust(0.06, against=["nulls"]).judge(judged).passed
    verdict = Robust(0.05).judge(judged)
    assert not verdict.passed
    assert verdict.reason.startswith("x missing: auc drops by 0.050")
    with pytest.raises(NotFoundError, match="tried"):
        Robust(0.05, against=["delay"]).judge(judged)


def test_gates_say_what_they_need_and_are_data(judged):
    gates = [
        SliceFloor("auc", "letter", 0.5), Fair("sex"), NonInferior(by=["carrier"]), AtThreshold("recall", at_least=0.1),
        Calibrated(), Robust(0.5), Superior(),
    ]  # fmt: skip
    assert all(isinstance(gate, GATES) for gate in gates)
    assert sliced_columns(gates) == ["letter", "carrier"]
    assert sensitive_columns(gates) == ["sex"]
    assert need_champion(gates)
    assert not need_champion(gates[:2])
    assert gate_json(gates[2])["by"] in (["carrier"], ("carrier",))
    json.dumps([gate_json(gate) for gate in gates])
    json.dumps(judged.to_json(), allow_nan=False)


@pytest.mark.parametrize(
    "make",
    [
        lambda: SliceFloor("average_precision", "x", 0.5),
        lambda: Fair("x", metric="auc"),
        lambda: NonInferior(margin=0.0),
        lambda: Superior(metric="ece"),
        lambda: AtThreshold("recall"),
        lambda: AtThreshold("recall", at_least=0.1, at_most=0.2),
        lambda: AtThreshold("auc", at_least=0.1),
        lambda: Robust(0.1, against=["rain"]),
        lambda: Calibrated(within=math.nan),
    ],
)
def test_gates_without_sense_are_refused(make):
    with pytest.raises(DefinitionError):
        make()
