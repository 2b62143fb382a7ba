"""Every objective: the same leaves, the same raw bits, predictions within float32."""

from __future__ import annotations

import numpy as np
import pytest

N_ROWS = 100_000

CONTINUOUS = [
    {"objective": "regression"},
    {"objective": "regression", "reg_sqrt": True},
    {"objective": "regression_l1"},
    {"objective": "huber"},
    {"objective": "fair"},
    {"objective": "quantile", "alpha": 0.7},
    {"objective": "mape"},
]
POSITIVE = [{"objective": "poisson"}, {"objective": "gamma"}, {"objective": "tweedie"}]
BINARY = [
    {"objective": "binary"},
    {"objective": "binary", "sigmoid": 0.7},
    {"objective": "binary", "is_unbalance": True},
]
FRACTION = [{"objective": "cross_entropy"}, {"objective": "cross_entropy_lambda"}]
CLASSES = [
    {"objective": "multiclass", "num_class": 4},
    {"objective": "multiclassova", "num_class": 3, "sigmoid": 1.3},
]
RANK = [{"objective": "lambdarank"}, {"objective": "rank_xendcg"}]


def label_of(parameters: dict, signal: np.ndarray) -> np.ndarray:
    """A label of the kind the objective wants."""
    if parameters in POSITIVE:
        return np.exp(0.3 * signal)
    if parameters in BINARY:
        return (signal > 0).astype(float)
    if parameters in FRACTION:
        return 1 / (1 + np.exp(-signal))
    if parameters in CLASSES:
        return np.digitize(signal, [-1, 0, 1])[:] % parameters["num_class"]
    if parameters in RANK:
        return np.digitize(signal, [-1, 0, 1])
    return signal


@pytest.mark.slow
@pytest.mark.parametrize(
    "parameters",
    CONTINUOUS + POSITIVE + BINARY + FRACTION + CLASSES + RANK,
    ids=lambda p: "-".join(map(str, p.values())),
)
def test_objective_is_exact(parameters, table, train, hostile_rows, exactness):
    """Whatever the objective, no row reaches another leaf and no raw score differs in any bit."""
    values, signal = table()
    groups = {"group": [50] * 40} if parameters in RANK else {}
    booster = train(dict(parameters), values, label_of(parameters, signal), **groups)
    rows = hostile_rows(booster.model_to_string(), N_ROWS)
    found = exactness(booster, rows, booster)
    assert found.leaves == 0
    assert found.raw == 0.0
    assert found.prediction <= 2e-6
