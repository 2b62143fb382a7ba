"""Pruning: trials are compared at equal path length, with trials that may win, and not before enough have ended."""

from __future__ import annotations

import optuna
import pytest

from headrace.training import CurvePoint
from headrace.training.tuning.pruning import STARTUP_TRIALS, Pacer, StoppedError, TrialPrunedError, make_pruner, rung


@pytest.mark.parametrize(
    ("trees", "rate", "expected"), [(20, 0.1, 0), (19, 0.1, -1), (40, 0.1, 2), (40, 0.05, 0), (200, 0.02, 2)]
)
def test_rungs_are_of_trees_times_learning_rate(trees, rate, expected):
    assert rung(trees, rate) == expected


def study(*values, missed=0.0, direction="maximize"):
    made = optuna.create_study(direction=direction, pruner=make_pruner("median"))
    for value in values:
        trial = made.ask()
        trial.report(value, 0)
        trial.set_constraint("latency", missed)
        made.tell(trial, value)
    return made


def curve(*values):
    return [CurvePoint(20 + place, value) for place, value in enumerate(values)]


@pytest.mark.parametrize(
    ("direction", "value", "pruned"),
    [("maximize", 0.1, True), ("maximize", 0.9, False), ("minimize", 0.9, True), ("minimize", 0.1, False)],
)
def test_a_trial_that_is_worse_than_the_median_of_the_others_ends(direction, value, pruned):
    pacer = Pacer(study(0.2, 0.4, 0.5, 0.6, 0.8, direction=direction).ask(), 0.1, lambda: False)
    if pruned:
        with pytest.raises(TrialPrunedError):
            pacer(None, curve(value))
    else:
        pacer(None, curve(value))


def test_trials_that_miss_the_target_are_not_what_a_small_model_is_compared_with():
    pacer = Pacer(study(*[0.9] * 8, missed=0.3).ask(), 0.1, lambda: False)
    pacer(None, curve(0.1))


def test_the_first_trials_end_by_themselves():
    pacer = Pacer(study(*[0.9] * (STARTUP_TRIALS - 1)).ask(), 0.1, lambda: False)
    pacer(None, curve(0.1))


def test_the_untuned_model_is_never_pruned():
    pacer = Pacer(study(*[0.9] * 8).ask(), 0.1, lambda: False)
    pacer.prunes = False
    pacer(None, curve(0.1))


def test_folds_are_compared_by_their_means():
    made = optuna.create_study(direction="maximize", pruner=make_pruner("median"))
    for value in (0.5, 0.6, 0.7, 0.8, 0.9):
        trial = made.ask()
        trial.report(value, 1)
        made.tell(trial, value)
    pacer = Pacer(made.ask(), 0.1, lambda: False)
    pacer.parts = 3
    pacer(None, curve(0.1))  # a single fold's curve is no fold mean
    with pytest.raises(TrialPrunedError):
        pacer.on_fold(1, 0.55)


def test_a_tuning_that_ends_stops_its_trials_at_the_next_tree():
    pacer = Pacer(study().ask(), 0.1, lambda: True)
    with pytest.raises(StoppedError):
        pacer(None, curve(0.5))
