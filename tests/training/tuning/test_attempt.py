"""One Dataset for all trials: the same bits as a Dataset a trial, one after the other or at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from headrace.training import TrainingSettings, boost, train
from headrace.training.tuning.attempt import SharedData

SETTINGS = TrainingSettings(params={"num_leaves": 15}, rounds=40, early_stopping_rounds=10, threads=1)
PARAMS = [
    {"num_leaves": 7, "learning_rate": 0.3},
    {"num_leaves": 31, "min_child_samples": 3, "lambda_l2": 5.0},
    {"num_leaves": 15, "extra_trees": True, "feature_fraction": 0.5},
    {"num_leaves": 15, "bagging_fraction": 0.5, "bagging_freq": 1, "min_child_samples": 100},
    {"num_leaves": 15, "path_smooth": 10.0, "max_depth": 3, "lambda_l1": 1.0},
]


@pytest.mark.parametrize("side_by_side", [1, 3])
def test_trials_on_one_dataset_give_the_bits_of_a_dataset_a_trial(make_data, side_by_side):
    data = make_data()
    shared = SharedData([data], SETTINGS)

    def trained(params):
        return boost(shared.binned(0, params), replace(SETTINGS, params=params)).model_text

    with ThreadPoolExecutor(side_by_side) as pool:
        together = list(pool.map(trained, PARAMS * 2))
    alone = [train(data, replace(SETTINGS, params=params)).model_text for params in PARAMS]
    assert together == alone * 2


def test_a_dataset_is_made_once_for_each_way_to_bin(make_data):
    data = make_data()
    shared = SharedData([data], SETTINGS)
    first = shared.binned(0, {"num_leaves": 7, "max_bin": 63})
    assert shared.binned(0, {"max_bin": 63, "num_leaves": 31}) is first
    assert shared.binned(0, {"num_leaves": 7}) is not first
    params = {"num_leaves": 7, "max_bin": 63}
    fresh = train(data, replace(SETTINGS, params=params))
    assert boost(first, replace(SETTINGS, params=params)).model_text == fresh.model_text
