"""Walk-forward folds: every fold learns from its past alone, with a gap for labels that came late."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.core.errors import DefinitionError, FailedCheckError
from headrace.training import TrainingSettings, WalkForward, cross_validate, train

DAY_US = 86_400_000_000
END_US = 100 * DAY_US


@given(
    folds=st.integers(1, 6),
    valid=st.integers(1, 10),
    train_days=st.integers(0, 30),
    purge=st.integers(0, 3),
    seed=st.integers(0, 2**32 - 1),
)
def test_no_fold_learns_from_what_came_later_or_was_not_known(folds, valid, train_days, purge, seed):
    times = np.random.default_rng(seed).integers(0, 120 * DAY_US, 2_000)
    declared = WalkForward(folds, f"{valid}d", f"{train_days}d" if train_days else "")
    try:
        masks = declared.masks(times, end_us=END_US, purge=f"{purge}d")
    except FailedCheckError:
        return
    judged = np.zeros(times.size, np.int64)
    for number, fold in enumerate(masks):
        begin = END_US - (folds - number) * valid * DAY_US
        learnt, seen = times[fold.train], times[fold.valid]
        assert learnt.max() < begin - purge * DAY_US
        assert begin <= seen.min()
        assert seen.max() < begin + valid * DAY_US - purge * DAY_US
        assert not train_days or learnt.min() >= begin - (purge + train_days) * DAY_US
        assert not fold.test.any()
        judged += fold.valid
    assert judged.max() == 1, "no row is judged twice"


def test_a_fold_without_rows_is_refused_by_its_number():
    times = np.arange(50, 100) * DAY_US
    with pytest.raises(FailedCheckError, match="fold 1 of 5 has no rows in its train part"):
        WalkForward(5, "10d").masks(times, end_us=END_US)
    with pytest.raises(FailedCheckError, match="fold 1 of 1 has no rows in its valid part"):
        WalkForward(1, "2d").masks(times, end_us=END_US, purge="3d")


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"folds": 0}, "at least 1 fold, not 0"),
        ({"valid": "0d"}, "longer than 0"),
        ({"train": "0h"}, "longer than 0"),
        ({"valid": "a month"}, "a month"),
    ],
)
def test_folds_that_cannot_be_are_refused(arguments, text):
    with pytest.raises(DefinitionError, match=text):
        WalkForward(**arguments)


def test_every_fold_is_a_training_of_its_own(make_data):
    data = make_data(rows=3_000)
    times = np.arange(3_000) * DAY_US // 20
    masks = WalkForward(3, "20d").masks(times, end_us=140 * DAY_US)
    settings = TrainingSettings(rounds=30, early_stopping_rounds=5, threads=1)
    found = cross_validate(data, settings, masks)
    assert [fold.rows_train for fold in found.folds] == [1_600, 2_000, 2_400]
    for fold, mask in zip(found.folds, masks, strict=True):
        alone = train(data.with_split(mask), settings)
        assert (fold.trees, fold.value) == (alone.best_iteration, alone.best_value)
    values = [fold.value for fold in found.folds]
    assert found.mean == pytest.approx(np.mean(values))
    assert found.std == pytest.approx(np.std(values, ddof=1))
    one = dataclasses.replace(found, folds=found.folds[:1])
    assert one.to_json()["std"] is None
