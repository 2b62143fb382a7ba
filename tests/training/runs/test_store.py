"""Run records: what was told is found again, whole, and a run that died is known as such."""

import threading
import time
from datetime import timedelta

import pytest

from headrace.core.code_version import CodeState
from headrace.core.errors import (
    AlreadyExistsError,
    CancelledError,
    HeadraceError,
    InvalidInputError,
    NotFoundError,
    UnavailableError,
)
from headrace.training.runs import RegisteredVersion, RunKind, RunQuery, RunStart, RunStatus, SnapshotRead
from headrace.training.runs.deaths import DIED, SILENT_FOR

PIPELINE = RunStart(
    RunKind.PIPELINE, "flights", "late", code=CodeState("a" * 40, is_dirty=True), environment={"python": "3.11"}
)


def test_what_a_run_told_is_found_again(store, clock):
    run = store.begin(PIPELINE)
    run.parameters(
        {"num_leaves": 31, "split": {"train": "2013-09-01"}, "gates": [{"at_least": 0.7}], "odd": float("nan")}
    )
    run.metric("test.auc", 0.77, 0.76, 0.78, higher_is_better=True)
    run.metric("test.bias", float("nan"))
    run.curve("valid.auc", [(1, 0.6), (2, 0.7), (3, float("nan"))])
    run.artefact("model.onnx", digest="d" * 64, size_bytes=12)
    run.snapshot("flights", SnapshotRead("flights_accepted", 3, "e" * 64))
    run.version(RegisteredVersion("late", 1, "f" * 64))
    run.tag("objective", "test.auc")
    run.note("trained on October")
    clock.advance(5)
    run.finish()
    found = store.get(run.id[:6])
    assert found.start == PIPELINE
    assert (found.status, found.seconds, found.failure) == (RunStatus.FINISHED, 5.0, "")
    assert found.parameters == {
        "num_leaves": 31, "split.train": "2013-09-01", "gates": [{"at_least": 0.7}], "odd": "nan"
    }  # fmt: skip
    auc = found.metrics["test.auc"]
    assert (auc.value, auc.low, auc.high, auc.higher_is_better) == (0.77, 0.76, 0.78, True)
    assert found.metrics["test.bias"].value is None
    assert found.curves == {"valid.auc": ((1.0, 0.6), (2.0, 0.7))}
    assert found.artefacts["model.onnx"].size_bytes == 12
    assert found.snapshots["flights"] == SnapshotRead("flights_accepted", 3, "e" * 64)
    assert [str(version) for version in found.versions] == ["late@1"]
    assert found.tags == {"objective": "test.auc", "note": "trained on October"}


def test_a_later_value_replaces_an_earlier_one_also_after_it_was_written(store):
    run = store.begin(PIPELINE)
    run.metric("auc", 0.6)
    run.curve("auc", [(1, 0.6)])
    run.flush()
    run.metric("auc", 0.7)
    run.metric("auc", 0.8)
    run.curve("auc", [(1, 0.6), (2, 0.8)])
    run.finish()
    found = store.get(run.id)
    assert found.metrics["auc"].value == 0.8
    assert len(found.curves["auc"]) == 2


def test_what_is_told_is_written_by_the_first_call_a_second_later(store, clock):
    run = store.begin(PIPELINE)
    run.metric("a", 1)
    assert store.get(run.id).metrics == {}
    clock.advance(1.5)
    run.metric("b", 2)
    assert set(store.get(run.id).metrics) == {"a", "b"}


@pytest.mark.parametrize(
    ("error", "status", "failure"),
    [
        (HeadraceError("no labels"), RunStatus.FAILED, "no labels"),
        (ValueError(), RunStatus.FAILED, "ValueError"),
        (CancelledError("interrupted in stage 'train'"), RunStatus.KILLED, "interrupted in stage 'train'"),
        (KeyboardInterrupt(), RunStatus.KILLED, "interrupted"),
    ],
)
def test_a_block_that_raises_ends_its_run_with_the_reason(store, error, status, failure):
    run = store.begin(PIPELINE)

    def work():
        with run:
            run.metric("auc", 0.7)
            raise error

    with pytest.raises(type(error)):
        work()
    found = store.get(run.id)
    assert (found.status, found.failure) == (status, failure)
    assert found.metrics["auc"].value == 0.7


def test_a_run_that_ended_takes_nothing_more(store):
    with store.begin(PIPELINE) as run:
        run.finish(RunStatus.FAILED, "no labels")
    assert store.get(run.id).status is RunStatus.FAILED
    with pytest.raises(InvalidInputError, match="has ended"):
        run.metric("auc", 0.7)


def test_children_share_what_their_parent_is_of(store):
    with store.begin(PIPELINE) as parent:
        for number in range(3):
            with parent.child(RunKind.TRIAL, f"trial {number}") as trial:
                trial.metric("auc", number)
    children = store.runs(RunQuery(parent=parent.id))
    assert {child.start.name for child in children} == {"trial 0", "trial 1", "trial 2"}
    assert {(child.start.model, child.start.code.commit) for child in children} == {("late", "a" * 40)}
    assert store.get(parent.id).children == 3
    assert store.get(trial.id).start.environment == {"python": "3.11"}
    assert [run.id for run in store.runs()] == [parent.id]
    assert len(store.runs(RunQuery(kind=RunKind.TRIAL))) == 3
    assert len(store.runs(RunQuery(trials=True, limit=2))) == 2
    with pytest.raises(NotFoundError, match="no run 'nobody'"):
        store.begin(RunStart(RunKind.TRIAL, parent="nobody"))


def test_runs_are_found_newest_first_by_model_and_status(store, clock):
    for model in ("late", "late", "churn"):
        clock.advance(1)
        store.begin(RunStart(RunKind.PIPELINE, model=model)).finish()
    clock.advance(1)
    open_run = store.begin(RunStart(RunKind.PIPELINE, model="late"))
    assert [run.start.model for run in store.runs()] == ["late", "churn", "late", "late"]
    assert [run.id for run in store.runs(RunQuery(model="late", status=RunStatus.RUNNING))] == [open_run.id]


def test_a_run_is_named_by_the_first_characters_of_its_id(store):
    runs = [store.begin(PIPELINE) for _ in range(40)]
    with pytest.raises(NotFoundError, match="no run 'xyz'"):
        store.get("xyz")
    with pytest.raises(NotFoundError, match="no run '%'"):
        store.get("%")
    with pytest.raises(NotFoundError):
        store.get("")
    doubled = next(a.id[0] for a in runs for b in runs if a.id != b.id and a.id[0] == b.id[0])
    with pytest.raises(InvalidInputError, match="begins several runs"):
        store.get(doubled)


def test_threads_share_one_recorder(store):
    run = store.begin(PIPELINE)

    def tell(thread: int) -> None:
        for number in range(50):
            run.metric(f"m{thread}.{number}", number)
            if number % 10 == 0:
                run.flush()

    threads = [threading.Thread(target=tell, args=(thread,)) for thread in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    run.finish()
    assert len(store.get(run.id).metrics) == 300


def test_a_process_on_another_machine_is_given_up_after_a_day_and_taken_back_when_it_writes(store, clock, monkeypatch):
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr("socket.gethostname", lambda: "elsewhere")
        run = store.begin(PIPELINE)
    clock.advance((SILENT_FOR - timedelta(minutes=1)).total_seconds())
    assert store.get(run.id).status is RunStatus.RUNNING
    clock.advance(120)
    found = store.get(run.id)
    assert (found.status, found.seconds, found.failure) == (RunStatus.KILLED, 0.0, DIED)
    run.metric("auc", 0.7)
    found = store.get(run.id)
    assert (found.status, found.ended_at, found.failure) == (RunStatus.RUNNING, None, "")


def test_a_killed_run_goes_on_where_it_stopped_and_a_running_or_finished_one_does_not(store):
    run = store.begin(PIPELINE)
    run.metric("a", 1)
    run.finish(RunStatus.KILLED, "power cut")
    again = store.resume(run.id)
    again.metric("b", 2)
    with pytest.raises(AlreadyExistsError, match="is being written"):
        store.resume(run.id)
    again.finish()
    found = store.get(run.id)
    assert (set(found.metrics), found.status, found.failure) == ({"a", "b"}, RunStatus.FINISHED, "")
    with pytest.raises(InvalidInputError, match="has finished"):
        store.resume(run.id)


def test_a_write_that_fails_says_so_and_keeps_what_was_told(store, monkeypatch):
    run = store.begin(PIPELINE)
    run.metric("auc", 0.7)
    with store.engine.begin() as tx:
        tx.exec_driver_sql("ALTER TABLE run_metrics RENAME TO gone")
    with pytest.raises(UnavailableError, match=r"cannot be (used|written)"):
        run.flush()
    with store.engine.begin() as tx:
        tx.exec_driver_sql("ALTER TABLE gone RENAME TO run_metrics")
    run.finish()
    assert store.get(run.id).metrics["auc"].value == 0.7


def test_a_call_that_finds_the_database_away_goes_on_and_the_error_of_a_block_is_its_own(store, clock):
    run = store.begin(PIPELINE)
    with store.engine.begin() as tx:
        tx.exec_driver_sql("ALTER TABLE run_metrics RENAME TO gone")
    clock.advance(2)
    run.metric("auc", 0.7)

    def work():
        with run:
            raise HeadraceError("no labels")

    with pytest.raises(HeadraceError, match="no labels"):
        work()
    with store.engine.begin() as tx:
        tx.exec_driver_sql("ALTER TABLE gone RENAME TO run_metrics")
    assert store.get(run.id).status is RunStatus.RUNNING
    run.finish(RunStatus.FAILED, "no labels")
    assert store.get(run.id).metrics["auc"].value == 0.7


def test_every_write_raises_the_revision(store):
    run = store.begin(PIPELINE)
    first = store.get(run.id).revision
    run.flush()
    run.finish()
    assert store.get(run.id).revision == first + 2


@pytest.mark.slow
def test_a_trial_costs_milliseconds(store):
    from headrace.core.clock import SystemClock
    from headrace.training.runs import RunStore

    real = RunStore(store.engine, clock=SystemClock())
    parent = real.begin(PIPELINE)
    took = []
    for number in range(40):
        started = time.perf_counter()
        with parent.child(RunKind.TRIAL) as trial:
            trial.parameters({f"p{place}": number for place in range(10)})
            trial.curve("valid.auc", [(tree, 0.5) for tree in range(200)])
            trial.metric("valid.auc", 0.7)
        took.append(time.perf_counter() - started)
    assert sorted(took)[20] < 0.1
