"""Runs side by side: what differs is shown, what is the same is counted, the better one comes first."""

import pytest

from headrace.core.code_version import CodeState
from headrace.core.errors import InvalidInputError
from headrace.training.runs import RunKind, RunStart, SnapshotRead, compare_runs

PIPELINE = RunStart(RunKind.PIPELINE)


@pytest.fixture
def make_run(store):
    def make(parameters, metrics=(), *, start=PIPELINE, snapshot=None, objective=None):
        with store.begin(start) as run:
            run.parameters(parameters)
            for name, *value in metrics:
                run.metric(name, *value[:3], higher_is_better=value[3] if len(value) > 3 else None)
            if snapshot is not None:
                run.snapshot("flights", snapshot)
            if objective is not None:
                run.tag("objective", objective)
        return store.get(run.id)

    return make


def test_parameters_that_differ_are_shown_and_the_others_counted(make_run):
    found = compare_runs([make_run({"a": 1, "b": 2.0, "c": True}), make_run({"a": 1, "b": 2, "c": 1, "d": "x"})])
    assert {one.name: one.values for one in found.parameters} == {"c": (True, 1), "d": (None, "x")}
    assert found.same_parameters == 2


def test_runs_are_ranked_by_the_metric_they_were_judged_by_in_its_direction(make_run):
    runs = [
        make_run({}, [("loss", value, None, None, False), ("seconds", 1.0, None, None, False)], objective="loss")
        for value in (0.4, 0.2, 0.3)
    ]
    runs.append(make_run({}))
    found = compare_runs(runs)
    assert found.metric == "loss"
    assert [found.value(run) for run in found.ranked] == [0.2, 0.3, 0.4, None]
    assert found.to_json()["best"] == runs[1].id
    assert compare_runs(runs, metric="seconds").metric == "seconds"


def test_a_run_that_failed_without_metrics_does_not_decide_what_runs_are_ranked_by(make_run):
    found = compare_runs([make_run({}), make_run({}, [("auc", 0.7, None, None, True)]), make_run({}, [("trees", 3.0)])])
    assert (found.metric, found.value(found.ranked[0])) == ("auc", 0.7)


def test_without_a_direction_nothing_is_ranked(make_run):
    found = compare_runs([make_run({}, [("trees", 2.0)]), make_run({}, [("trees", 3.0)])])
    assert (found.metric, found.higher_is_better) == ("trees", None)
    assert [found.value(run) for run in found.ranked] == [2.0, 3.0]
    assert found.to_json()["best"] is None


def test_other_data_and_other_code_are_differences_and_a_run_that_read_none_is_not(make_run):
    commit = RunStart(RunKind.PIPELINE, code=CodeState("a" * 40))
    dirty = RunStart(RunKind.PIPELINE, code=CodeState("a" * 40, is_dirty=True))
    old, new = SnapshotRead("flights", 1, "1" * 64), SnapshotRead("flights", 2, "2" * 64)
    same = compare_runs(
        [make_run({}, start=commit, snapshot=old), make_run({}, start=commit, snapshot=old), make_run({})]
    )
    assert (same.data, same.code) == ((), ())
    other = compare_runs([make_run({}, start=commit, snapshot=old), make_run({}, start=dirty, snapshot=new)])
    assert other.data[0].values == ("version 1 (11111111)", "version 2 (22222222)")
    assert other.code[0].name == "commit"
    assert compare_runs([make_run({}, start=dirty), make_run({}, start=dirty)]).code


def test_trials_of_one_run_share_its_uncommitted_changes(store):
    start = RunStart(RunKind.TUNING, code=CodeState("a" * 40, is_dirty=True))
    with store.begin(start) as study:
        trials = [study.child(RunKind.TRIAL) for _ in range(2)]
        for trial in trials:
            trial.finish()
    assert compare_runs([store.get(trial.id) for trial in trials]).code == ()


def test_machines_and_libraries_that_differ_are_named(make_run):
    starts = [
        RunStart(RunKind.PIPELINE, environment={"python": "3.11", "libraries": {"lightgbm": version}})
        for version in ("4.6", "4.7")
    ]
    found = compare_runs([make_run({}, start=start) for start in starts])
    assert [(one.name, one.values) for one in found.environment] == [("lightgbm", ("4.6", "4.7"))]


def test_one_run_and_an_unknown_metric_are_refused(make_run):
    with pytest.raises(InvalidInputError, match="1 run cannot be compared"):
        compare_runs([make_run({})])
    with pytest.raises(InvalidInputError, match="no run has metric 'aux'") as told:
        compare_runs([make_run({}, [("auc", 1.0)]), make_run({})], metric="aux")
    assert "did you mean 'auc'" in told.value.hint
