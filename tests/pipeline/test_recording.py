"""The record of a run: one where a stage ran, complete with what skipped stages found, ended as the run ended."""

from types import SimpleNamespace

import pytest

import headrace as hr
from headrace.core.clock import ManualClock
from headrace.core.config import Settings
from headrace.core.database import open_database
from headrace.core.errors import CancelledError, FailedCheckError
from headrace.pipeline.recording import recorded
from headrace.pipeline.runner import StageReport
from headrace.pipeline.stage import StageOutcome, StageRecord
from headrace.pipeline.workspace import Workspace
from headrace.training.runs import RunStatus, RunStore

FACTS = {
    "ingest": {"tables": {"flights": {"version": 1, "digest": "1" * 64}}},
    "validate": {"tables": {"flights": {"name": "flights_accepted", "version": 2, "digest": "2" * 64}}},
    "features": {"plan_digest": "p", "matrix_digest": "m", "features": 8},
    "train": {
        "metric": "auc", "higher_is_better": True, "valid": 0.75, "curve": [[1, 0.7], [2, 0.75]], "trees": 2,
        "folds": {"mean": 0.74}, "rows": {"train": 10, "valid": 5, "test": 4},
    },
    "evaluate": {
        "evaluation": {"model": {"figures": {"auc": {"value": 0.74, "low": 0.72, "high": 0.76}}}},
        "refit": {"evaluation": {"model": {"figures": {"auc": {"value": 0.75, "low": 0.73, "high": 0.77}}}}},
        "gates": {"verdicts": [{"passed": True}, {"passed": False}]},
    },
    "package": {
        "digests": {"1": "d" * 64, "2": "e" * 64},
        "files": [{"name": "model.onnx", "digest": "f" * 64, "size_bytes": 12}],
    },
    "serve": {"p50_ms": 0.4, "p99_ms": 1.2, "rows_per_s": 1e5},
    "monitor": {"retraining": {"outcome": "retrained", "version": 3, "digest": "9" * 64}},
    "report": {},
}  # fmt: skip


@pytest.fixture
def context(tmp_path):
    columns = {"id": "string", "origin": "string", "due": "timestamp", "landed": "timestamp", "delay": "int64"}
    source = hr.CsvSource("flights.csv", {**columns, "distance": "int64"})
    flights = hr.EventTable("flights", source, ["origin"], event_time="due", available_at="landed", resolution=1)
    features = hr.FeatureSet("set", spine=flights, at="due - 2h", row_id="id", features=[hr.request("distance")])
    model = hr.Model(
        "late", features=features, target=hr.column("delay") > 15, params={"num_leaves": 15},
        split=hr.TimeSplit(train="2013-03-01", valid="2013-03-20"), gates=[hr.AtLeast("auc", 0.5)],
    )  # fmt: skip
    workspace = Workspace(tmp_path / "home")
    database = open_database(workspace.database)
    yield SimpleNamespace(
        project=SimpleNamespace(name="flights", model=model), folder=tmp_path, workspace=workspace, database=database,
        settings=Settings(workspace.home, 2, "json"), clock=ManualClock(), records={}, close=database.dispose,
    )  # fmt: skip
    database.dispose()


def run(context, ran, *, fails=None):
    """Go through the stages; those in `ran` run, the others are skipped."""
    with recorded(context) as diary:
        for name, facts in FACTS.items():
            if name in ran:
                diary.stage_starts(name)
                if fails is not None and name == fails[0]:
                    raise fails[1]
            context.records[name] = StageRecord(name, "digest", 1.5, StageOutcome(name, facts=facts))
            diary.stage_ended(StageReport(context.records[name], skipped=name not in ran))


def test_a_run_of_all_stages_tells_everything(context):
    run(context, FACTS)
    (found,) = RunStore(context.database).runs(curves=True)
    assert (found.status, found.start.project, found.start.model) == (RunStatus.FINISHED, "flights", "late")
    assert found.parameters["num_leaves"] == 15
    assert found.parameters["rounds"] == 1_000
    assert found.parameters["split.train"].startswith("2013-03-01")
    assert "15" in found.parameters["target"]
    assert found.metrics["valid.auc"].value == 0.75
    assert (found.metrics["test.auc"].low, found.metrics["test.auc"].high) == (0.72, 0.76)
    assert found.metrics["test.auc"].higher_is_better is True
    assert found.metrics["seconds.train"].value == 1.5
    assert found.metrics["latency.p99_ms"].higher_is_better is False
    assert found.curves == {"valid.auc": ((1.0, 0.7), (2.0, 0.75))}
    assert (found.snapshots["flights"].stored, found.snapshots["flights"].version) == ("flights_accepted", 2)
    assert [str(version) for version in found.versions] == ["late@1", "late@2", "late@3"]
    assert found.artefacts["package/model.onnx"].size_bytes == 12
    assert found.tags["objective"] == "test.auc"
    assert found.tags["gates"] == "1 of 2 passed"
    assert found.start.environment["threads"] == 2
    assert "lightgbm" in found.start.environment["libraries"]


def test_a_run_that_skipped_everything_leaves_no_record(context):
    run(context, FACTS)
    run(context, [])
    assert len(RunStore(context.database).runs()) == 1


def test_what_skipped_stages_found_is_told_and_versions_only_by_who_registered_them(context):
    run(context, ["monitor", "report"])
    (found,) = RunStore(context.database).runs()
    assert found.metrics["test.auc"].value == 0.74
    assert "seconds.train" not in found.metrics
    assert found.tags["skipped.train"] == "its inputs did not change"
    assert [str(version) for version in found.versions] == ["late@3"]


@pytest.mark.parametrize(
    ("error", "status"),
    [(FailedCheckError("a gate failed"), RunStatus.FAILED), (CancelledError("interrupted"), RunStatus.KILLED)],
)
def test_a_run_that_a_stage_ended_says_why_and_keeps_what_came_before(context, error, status):
    with pytest.raises(type(error)):
        run(context, FACTS, fails=("package", error))
    (found,) = RunStore(context.database).runs()
    assert (found.status, found.failure, found.tags["stage"]) == (status, error.message, "package")
    assert found.metrics["test.auc"].value == 0.74
    assert found.versions == ()
