"""A challenger is superior, not inferior, inferior, or nothing can be said yet; a small sample says the last."""

from __future__ import annotations

import json

import numpy as np
import pytest

from headrace.evaluation import EvaluationSettings, Figure, Outcome, compare
from headrace.evaluation.comparison import decide


@pytest.mark.parametrize(
    ("low", "high", "outcome"),
    [
        (0.001, 0.02, Outcome.SUPERIOR),
        (-0.004, 0.02, Outcome.NON_INFERIOR),
        (-0.004, -0.001, Outcome.NON_INFERIOR),
        (-0.02, 0.02, Outcome.INCONCLUSIVE),
        (-0.03, -0.001, Outcome.INFERIOR),
        (float("nan"), float("nan"), Outcome.INCONCLUSIVE),
    ],
)
def test_the_interval_decides(low, high, outcome):
    assert decide(Figure(0.0, low, high), margin=0.005) is outcome


def test_a_better_challenger_is_superior_and_the_worse_one_inferior(make_sample):
    sample = make_sample(20_000)
    worse = np.clip(sample.scores + np.random.default_rng(0).normal(0, 0.2, 20_000), 0, 1)
    settings = EvaluationSettings(replicates=200)
    found = compare(sample, worse, settings=settings)
    assert found.outcome is Outcome.SUPERIOR
    assert found.improvement["auc"].low > 0
    assert json.loads(json.dumps(found.to_json()))["outcome"] == "superior"
    turned = compare(make_sample(20_000, scores=worse, labels=sample.labels), sample.scores, settings=settings)
    assert turned.outcome is Outcome.INFERIOR


def test_a_model_is_not_inferior_to_itself(make_sample):
    sample = make_sample(500)
    found = compare(sample, sample.scores, settings=EvaluationSettings(replicates=50))
    assert found.outcome is Outcome.NON_INFERIOR
    assert found.improvement["auc"] == Figure(0.0, 0.0, 0.0)
