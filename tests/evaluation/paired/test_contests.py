"""A comparison says which test was used and why, and no group pays for the whole."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

from headrace.evaluation import Outcome, compare
from headrace.evaluation.paired import contest_slices, delong


@pytest.fixture
def champion_scores(make_sample):
    rng = np.random.default_rng(17)
    scores = make_sample().scores
    return np.clip(scores + rng.normal(0, 0.15, scores.size), 0, 1)


def test_rows_of_one_day_are_compared_by_blocks(make_sample, champion_scores, quick):
    found = compare(make_sample(), champion_scores, settings=quick)
    assert found.test.name == "paired block bootstrap"
    assert "60 blocks" in found.test.why
    assert found.outcome is Outcome.SUPERIOR
    assert found.test.p_superior < 0.001
    assert found.test.p_non_inferior <= found.test.p_superior
    assert found.test.p_inferior == pytest.approx(1 - found.test.p_superior)
    json.dumps(found.to_json(), allow_nan=False)


def test_independent_rows_are_compared_by_delong(make_sample, champion_scores, quick):
    sample = make_sample(blocks=np.arange(6_000))
    found = compare(sample, champion_scores, settings=quick)
    assert found.test.name == "DeLong"
    assert found.improvement["auc"] == delong(sample.labels, sample.scores, champion_scores).difference
    assert compare(sample, champion_scores, metric="brier", settings=quick).test.name == "paired block bootstrap"


def test_a_model_is_not_inferior_to_itself(make_sample, quick):
    sample = make_sample()
    found = compare(sample, sample.scores, settings=quick)
    assert found.outcome is Outcome.NON_INFERIOR
    assert (found.test.p_superior, found.test.p_non_inferior) == (1.0, 0.0)


def test_a_group_that_loses_is_found_beside_others_that_do_not(make_sample, quick):
    sample = make_sample(rows=12_000)
    rng = np.random.default_rng(18)
    groups = rng.choice(list("abcdefghij"), 12_000)
    worse = np.where(groups == "d", rng.permutation(sample.scores), sample.scores)
    challenger = dataclasses.replace(sample, scores=worse)
    contests = contest_slices(challenger, sample.scores, {"letter": groups}, "auc", quick)
    assert [one.group for one in contests if one.inferior(0.05, 0.005)] == ["d"]
    assert len(contests) == 10
    assert not contests[0].inferior(0.05, 0.005)
    json.dumps([one.to_json() for one in contests], allow_nan=False)


def test_a_decline_within_the_margin_is_not_inferior(make_sample, quick):
    sample = make_sample(rows=12_000)
    rng = np.random.default_rng(18)
    challenger = dataclasses.replace(sample, scores=np.clip(sample.scores + rng.normal(0, 0.03, 12_000), 0, 1))
    (one,) = contest_slices(challenger, sample.scores, {"all": np.repeat("x", 12_000)}, "auc", quick)
    assert one.p_inferior < 0.05
    assert one.inferior(0.05, margin=0.0)
    assert not one.inferior(0.05, margin=0.05)


def test_decisions_are_compared_by_whole_blocks_where_rows_depend_on_each_other(make_sample, champion_scores, quick):
    found = compare(make_sample(), champion_scores, settings=quick, threshold=0.3).decisions
    assert found.test == "sign flip of blocks"
    assert found.improvement.value == pytest.approx((found.only_challenger_right - found.only_champion_right) / 6_000)
    assert found.p_value < 0.05
    alone = compare(make_sample(blocks=np.arange(6_000)), champion_scores, settings=quick, threshold=0.3)
    assert alone.decisions.test == "McNemar (mid-p)"
    assert alone.to_json()["decisions"]["p_value"] == pytest.approx(found.p_value, abs=0.05)
    assert compare(make_sample(), champion_scores, settings=quick).decisions is None
