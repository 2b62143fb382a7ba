"""The model card says what the package's documents say, on one page."""

from __future__ import annotations

import json

import numpy as np
import pytest

from headrace.evaluation import AtLeast, EvaluationSettings, Sample, evaluate, judge
from headrace.packaging import Lineage, Signature, TableRead, model_card
from headrace.packaging.model_card import without_cuda

SIGNATURE = Signature.of_matrix(("distance", "hour"))
LINEAGE = Lineage(
    snapshot={"flights": TableRead(3, "ab" * 32)},
    plan_digest="cd" * 32,
    definition={"name": "late"},
    code_commit="0123abc",
    libraries={"lightgbm": "4.7.0"},
)


@pytest.fixture(scope="module")
def evaluation():
    rng = np.random.default_rng(0)
    scores = rng.random(3_000)
    carriers = rng.choice(["AA", "UA"], 3_000).astype(object)
    carriers[:3] = "ZZ"
    sample = Sample(rng.random(3_000) < scores, scores, np.arange(3_000) // 100, 0.5, groups={"carrier": carriers})
    found = evaluate(sample, EvaluationSettings(replicates=50))
    gates = judge([AtLeast("auc", 0.7), AtLeast("auc", 0.99)], found)
    training = {"importance": {"hour": 0.25, "distance": 0.75}}
    document = found.to_json() | {"gates": gates.to_json(), "training": training}
    return json.loads(json.dumps(document, allow_nan=False))


def test_the_card_holds_quality_gates_groups_inputs_and_origin(evaluation):
    card = model_card("late", description="Late flights.", evaluation=evaluation, lineage=LINEAGE, signature=SIGNATURE)
    auc = evaluation["model"]["figures"]["auc"]
    assert card.startswith("# late\n\nLate flights.\n\n## Quality on 3,000 rows")
    assert f"{auc['value']:.3f} [{auc['low']:.3f}, {auc['high']:.3f}]" in card
    assert "- passed: auc at least 0.7" in card
    assert "- FAILED: auc at least 0.99" in card
    assert "| AA |" in card
    assert "too small to judge: ZZ." in card
    assert card.index("- distance: 75.0% of the gain") < card.index("- hour: 25.0% of the gain")
    assert "- table flights, version 3, digest abababab" in card
    assert "- code 0123abc" in card


def test_the_card_tells_of_decisions_groups_and_overrides(evaluation):
    figure = {"value": 0.5, "low": 0.4, "high": 0.6}
    disparity = {"highest": "x", "lowest": "y", "ratio": figure, "difference": figure}
    document = evaluation | {
        "decisions": {"threshold": 0.25, "figures": {"recall": figure}},
        "fairness": {"sex": {"disparities": {"selection_rate": disparity}, "insufficient": ["z"]}},
        "override": {"reason": "the bound is for next year", "gates": ["auc at least 0.99"]},
    }
    card = model_card("late", description="x", evaluation=document, lineage=LINEAGE, signature=SIGNATURE)
    assert "Acting on scores of 0.25 and above:\n\n- recall: 0.500 [0.400, 0.600]" in card
    assert "- selection_rate of sex y over x: 0.500 [0.400, 0.600]" in card
    assert "- too few rows of sex: z" in card
    assert "Registered although auc at least 0.99 failed: the bound is for next year" in card


def test_the_card_is_the_same_every_time(evaluation):
    cards = {
        model_card("late", description="x", evaluation=evaluation, lineage=LINEAGE, signature=SIGNATURE)
        for _ in range(2)
    }
    assert len(cards) == 1


def test_figures_that_are_missing_are_dashes(evaluation):
    figures = evaluation["model"]["figures"]
    changed = evaluation | {
        "model": evaluation["model"] | {"figures": figures | {"auc": {"value": None, "low": None, "high": None}}},
        "baselines": {},
    }
    card = model_card("late", description="x", evaluation=changed, lineage=LINEAGE, signature=SIGNATURE)
    assert "| auc | - |" in card


def test_a_card_says_why_there_is_no_graph_for_cuda():
    assert "trees run on the CPU: too wide.\n" in without_cuda("too wide")
    assert not without_cuda("")


def test_lineage_is_json_and_names_the_libraries():
    assert Lineage.from_json(json.loads(json.dumps(LINEAGE.to_json()))) == LINEAGE
    own = Lineage(snapshot={}, plan_digest="", definition={})
    assert "lightgbm" in own.libraries
    assert own.to_json()["code_commit"] is None
