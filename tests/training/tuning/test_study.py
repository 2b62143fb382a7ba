"""A study: repeatable, resumable, never with more than its budget, and its winner keeps to the targets."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest

from headrace.core.errors import DefinitionError, FailedCheckError, HeadraceError
from headrace.training import Metric, TimeSplit, TrainingSettings, WalkForward, train
from headrace.training.tuning import Choice, FloatRange, Measured, Origin, State, model_of, tune

pytestmark = pytest.mark.slow  # each opens one or more studies on disk

SPLIT = TimeSplit(train="2013-09-01", valid="2013-11-01")


def found(result):
    """What is repeatable of a trial."""
    return [(t.state, t.origin, dict(t.params), t.value, t.trees, t.measured) for t in result.trials]


def test_the_untuned_model_is_the_first_trial_and_exactly_what_training_gives(make_job):
    job = make_job(trials=2)
    result = tune(job)
    assert result.trials[0].origin is Origin.UNTUNED
    alone = train(job.data, job.settings)
    assert result.untuned.value == alone.best_value
    assert model_of(job, result.untuned.params).model_text == alone.model_text


def test_the_same_job_gives_the_same_trials(make_job):
    first, second = tune(make_job("a")), tune(make_job("b"))
    assert found(first) == found(second)
    assert found(first) != found(tune(make_job("c", seed=1)))


def test_a_study_that_goes_on_gives_the_trials_of_one_that_was_not_stopped(make_job):
    for trials in (3, 8):
        result = tune(make_job("stopped", trials=trials))
        assert len(result.trials) == trials
    assert found(result) == found(tune(make_job("whole")))


def test_fresh_forgets_earlier_trials(make_job):
    job = make_job(trials=3)
    tune(job)
    assert len(tune(job, fresh=True).trials) == 3


def test_trials_side_by_side_are_each_repeatable(make_job):
    job = make_job(settings=replace(make_job().settings, threads=2))
    assert job.jobs == 2
    result = tune(job)
    assert len(result.trials) == 8
    for trial in (one for one in result.trials if one.is_complete):
        alone = train(job.data, replace(job.settings, params=trial.params, threads=1))
        assert (alone.best_value, alone.best_iteration) == (trial.value, trial.trees)


def test_the_winner_is_the_best_trial_and_its_model_is_at_hand(make_job):
    job = make_job(trials=12)
    result = tune(job)
    best = max(trial.value for trial in result.trials if trial.is_complete)
    assert result.winner.value == best
    assert result.winner in result.front
    model = model_of(job, result.winner.params)
    assert model.best_value == best
    assert {folder.name for folder in (job.folder / "models").iterdir()}
    assert len(list((job.folder / "models").iterdir())) <= len(result.front) + 1


def test_a_target_changes_the_winner_and_a_trial_that_misses_it_never_wins(make_job):
    free = tune(make_job("free", trials=12))
    assert free.winner.trees > 8
    bound = tune(make_job("bound", trials=12, latency_p99_us=8))
    assert bound.winner.measured.latency_p99_us <= 8
    assert bound.winner.params != free.winner.params
    missed = [trial for trial in bound.trials if trial.is_complete and not trial.is_feasible]
    assert any(trial.value > bound.winner.value for trial in missed)
    assert not {trial.number for trial in missed} & {trial.number for trial in bound.ranked}
    assert bound.winner.number in bound.confirmed


def test_new_targets_judge_the_trials_that_are_there(make_job):
    free = tune(make_job(trials=10))
    limit = free.winner.measured.size_bytes - 1
    bound = tune(make_job(trials=1, size_bytes=limit))
    assert [trial.value for trial in bound.trials[:10]] == [trial.value for trial in free.trials]
    assert len(bound.trials) == 11
    assert bound.untuned is not None
    assert bound.winner.measured.size_bytes <= limit


def test_points_of_the_users_are_tried_first(make_job):
    result = tune(make_job(trials=3, first=[{"num_leaves": 5, "lambda_l2": 1.0}, {"min_data_in_leaf": 7}]))
    assert [trial.origin for trial in result.trials] == [Origin.UNTUNED, Origin.DECLARED, Origin.DECLARED]
    assert result.trials[1].params["num_leaves"] == 5
    assert result.trials[2].params["num_leaves"] == 15  # the project's own
    assert result.trials[2].params["min_child_samples"] == 7


def test_the_best_of_a_study_on_other_rows_is_tried_again(make_job):
    free = tune(make_job(trials=6))
    again = tune(make_job(trials=5, identity="later rows"))
    assert [trial.origin for trial in again.trials[:2]] == [Origin.UNTUNED, Origin.EARLIER]
    assert dict(again.trials[1].chosen) == dict(free.ranked[0].chosen)


def test_a_target_that_nothing_meets_names_the_nearest(make_job):
    result = tune(make_job(trials=3, latency_p99_us=0.5))
    assert not result.ranked
    with pytest.raises(
        FailedCheckError, match=r"no trial met the target \(p99 0.5 us\); the nearest was trial \d: p99"
    ):
        _ = result.winner


def test_a_model_that_was_lucky_once_does_not_win(make_job):
    """The first measurement of each model says 1 us, later ones the truth."""
    seen = set()

    def flattering(model):
        first = model.model_text not in seen
        seen.add(model.model_text)
        truth = float(model.best_iteration)
        return Measured(1.0 if first else truth, 1.0, 1_000)

    result = tune(make_job(trials=6, latency_p99_us=12.0, measure=flattering))
    for trial in result.ranked[:1]:
        assert trial.trees <= 12
    assert all(trial.is_feasible for trial in result.trials if trial.is_complete)


def test_no_better_trial_leaves_the_untuned_model(make_job):
    job = make_job(trials=3, space={"num_leaves": Choice(2, 3)} | dict.fromkeys(DEFAULTS))
    result = tune(job)
    assert result.winner.origin is Origin.UNTUNED
    assert "no trial was better than the untuned model" in result.refused


DEFAULTS = (
    "learning_rate", "min_child_samples", "feature_fraction", "bagging_fraction", "lambda_l1", "lambda_l2",
    "path_smooth", "extra_trees", "min_split_gain",
)  # fmt: skip


def test_what_bins_depend_on_is_tuned_with_a_dataset_a_value(make_job):
    job = make_job(trials=4, space={"max_bin": Choice(7, 255)})
    result = tune(job)
    assert {trial.params.get("max_bin") for trial in result.trials} >= {7}
    for trial in (one for one in result.trials if one.is_complete):
        assert train(job.data, replace(job.settings, params=trial.params)).best_value == trial.value


def test_hopeless_trials_end_early(make_job):
    result = tune(make_job(trials=30))
    pruned = [trial for trial in result.trials if trial.state is State.PRUNED]
    assert pruned
    assert all(trial.value is None and trial.trees > 0 and trial.measured is None for trial in pruned)
    assert tune(make_job("all", trials=30, pruner="none")).count(State.PRUNED) == 0


@pytest.mark.parametrize("pruner", ["hyperband", "median"])
def test_folds_are_judged_by_their_mean(make_job, make_data, pruner):
    data = make_data(3_000)
    times = 1_356_998_400_000_000 + np.sort(np.random.default_rng(1).integers(0, 365 * 86_400_000_000, 3_000))
    masks = WalkForward(folds=3, valid="30d").masks(times, end_us=SPLIT.valid_end_us)
    job = make_job(data=data, folds=masks, trials=7, pruner=pruner)
    result = tune(job)
    complete = [trial for trial in result.trials if trial.is_complete]
    assert all(trial.value == np.mean(trial.folds) and len(trial.folds) == 3 for trial in complete)
    assert model_of(job, result.winner.params).curve  # trained on the split, for the test part


def test_each_trial_is_told_once_with_its_whole_curve(make_job):
    told = []
    result = tune(make_job(trials=4, on_trial=told.append))
    assert [trial.number for trial in told] == [trial.number for trial in result.trials]
    assert all(len(trial.curve) >= trial.trees for trial in told)


def test_time_ends_trials_between_two_trees(make_job, make_data):
    slow = TrainingSettings(rounds=100_000, early_stopping_rounds=0, threads=1)
    began = time.monotonic()
    result = tune(make_job(trials=0, minutes=0.02, settings=slow))
    assert time.monotonic() - began < 10
    assert result.spent_s >= 1.2
    assert not result.trials
    with pytest.raises(FailedCheckError, match="no trial ended"):
        _ = result.winner


def test_a_trial_whose_metric_is_no_number_fails_and_the_others_go_on(make_job):

    def odd(labels, predictions):
        """Not a number where there are few different predictions."""
        return float("nan") if np.unique(predictions).size < 8 else float(np.mean((labels > 0) == (predictions > 0.5)))

    settings = TrainingSettings(
        params={"num_leaves": 15}, rounds=5, early_stopping_rounds=0, threads=1, metric=Metric("odd", odd)
    )
    tiny = {"space": {"num_leaves": Choice(2, 15), "learning_rate": FloatRange(0.5, 0.6)} | dict.fromkeys(DEFAULTS[1:])}
    result = tune(make_job(settings=settings, trials=6, first=[{"num_leaves": 2, "learning_rate": 0.5}], **tiny))
    assert result.winner.value is not None
    assert result.count(State.FAILED) >= 1
    assert all(trial.reason == "odd is nan" for trial in result.trials if trial.state is State.FAILED)


def test_targets_need_something_that_measures(make_job):
    with pytest.raises(DefinitionError, match="need something that measures"):
        tune(make_job(measure=None, size_bytes=9))


def test_an_error_in_a_trial_ends_the_tuning(make_job):
    def broken(_model):
        raise HeadraceError("no runtime")

    with pytest.raises(HeadraceError, match="no runtime"):
        tune(make_job(measure=broken))


KILLED = """
import sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[2])
import study_of_a_child
study_of_a_child.run(Path(sys.argv[1]))
"""
CHILD = """
import time
import numpy as np
from headrace.training import Metric, TimeSplit, TrainingData, TrainingSettings
from headrace.training.tuning import Measured, Tuning, TuningJob, tune


def data():
    rng = np.random.default_rng(1)
    values = rng.normal(size=(2_000, 5)).astype(np.float32)
    labels = rng.random(2_000) < 1 / (1 + np.exp(-2 * values[:, 0] - values[:, 1] * values[:, 2]))
    times = 1_356_998_400_000_000 + np.sort(rng.integers(0, 365 * 86_400_000_000, 2_000))
    return TrainingData(values, tuple("abcde"), labels, TimeSplit(train="2013-09-01", valid="2013-11-01").masks(times))


def job(folder, pause=0.0):
    def measure(model):
        time.sleep(pause)
        return Measured(float(model.best_iteration), 1.0, 1_000)

    settings = TrainingSettings(params={"num_leaves": 15}, rounds=40, early_stopping_rounds=10, threads=1)
    return TuningJob(data(), settings, Tuning(trials=8), folder, "rows", measure=measure)


def run(folder):
    result = tune(job(folder, pause=0.3))
    print("interrupted", result.interrupted, len(result.trials), flush=True)
"""


@pytest.fixture
def child(tmp_path, monkeypatch):
    """A tuning in a process of its own, with a third of a second a trial; and its job, for this process."""
    (tmp_path / "study_of_a_child.py").write_text(CHILD)
    monkeypatch.syspath_prepend(str(tmp_path))
    import study_of_a_child

    def start(folder):
        return subprocess.Popen(
            [sys.executable, "-c", KILLED, str(folder), str(tmp_path)],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )

    yield start, study_of_a_child
    sys.modules.pop("study_of_a_child")


def wait_for_models(folder, number):
    until = time.monotonic() + 60
    while time.monotonic() < until:
        if len(list(folder.glob("models/*/model.txt"))) >= number:
            return
        time.sleep(0.02)
    raise AssertionError(f"no {number} models in {folder}")


def test_a_killed_study_goes_on_as_if_nothing_had_happened(child, tmp_path):
    start, source = child
    process = start(tmp_path / "killed")
    wait_for_models(tmp_path / "killed", 2)
    process.kill()
    process.communicate()
    resumed = tune(source.job(tmp_path / "killed"))
    ended = [trial for trial in resumed.trials if trial.state is not State.FAILED]
    assert len(ended) == 8
    whole = tune(source.job(tmp_path / "whole"))
    assert [(t.params, t.value) for t in ended] == [(t.params, t.value) for t in whole.trials]


def test_ctrl_c_ends_after_the_current_tree_and_keeps_what_is_there(child, tmp_path):
    start, source = child
    process = start(tmp_path / "pressed")
    wait_for_models(tmp_path / "pressed", 2)
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=30)
    word, interrupted, trials = out.split()
    assert (word, interrupted) == ("interrupted", "True")
    assert 2 <= int(trials) < 8
    assert len([t for t in tune(source.job(tmp_path / "pressed")).trials if t.state is not State.FAILED]) == 8
