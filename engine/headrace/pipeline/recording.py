"""The record of a run of a project: one a run in which at least one stage ran.

A run that skipped every stage found nothing new and leaves no record. The record begins when the first stage that is
not skipped starts, so a run that is killed in it is visible as killed; what skipped stages found before is told as
well, so that a record is complete by itself. Model versions are told by the run that registered them alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from headrace.core.code_version import code_state
from headrace.evaluation.measures import higher_is_better
from headrace.pipeline.context import RunContext
from headrace.pipeline.runner import StageReport
from headrace.training.runs import (
    RegisteredVersion,
    RunKind,
    RunRecorder,
    RunStart,
    RunStore,
    SnapshotRead,
    describe_environment,
)
from headrace.training.runs.records import OBJECTIVE


class RunDiary:
    """Tells the run's record what the stages found, as they end."""

    def __init__(self, context: RunContext) -> None:
        self._context = context
        self._told: list[StageReport] = []
        self.recorder: RunRecorder | None = None

    def stage_starts(self, name: str) -> None:
        """Begin the record with the first stage that runs."""
        if self.recorder is None:
            self.recorder = _begin(self._context)
            for report in self._told:
                _tell(self.recorder, report, self._context)
        self.recorder.tag("stage", name)
        self.recorder.flush()

    def stage_ended(self, report: StageReport) -> None:
        """Tell what a stage found, or had found."""
        self._told.append(report)
        if self.recorder is not None:
            _tell(self.recorder, report, self._context)


@contextmanager
def recorded(context: RunContext) -> Iterator[RunDiary]:
    """Give the diary of a run; however the block ends, the record says so. A mirror is started where one is set.

    Raises:
        UnavailableError: the database does not take the record.
    """
    from headrace.pipeline.mirror import start_mirror

    diary = RunDiary(context)
    try:
        yield diary
    except BaseException as error:
        if diary.recorder is not None:
            diary.recorder.__exit__(type(error), error, None)
        raise
    else:
        if diary.recorder is not None:
            diary.recorder.finish()
    finally:
        if diary.recorder is not None:
            start_mirror(context.workspace, context.settings)
        context.close()


def _begin(context: RunContext) -> RunRecorder:
    model = context.project.model
    recorder = RunStore(context.database, clock=context.clock).begin(
        RunStart(
            RunKind.PIPELINE,
            project=context.project.name,
            model=model.name,
            code=code_state(context.folder),
            environment=describe_environment(threads=context.settings.threads),
        )
    )
    recorder.parameters(model_parameters(context))
    return recorder


def model_parameters(context: RunContext) -> dict[str, Any]:
    """A model's definition as parameters of a run: LightGBM's under their own names, split and gates as declared."""
    definition = context.project.model.to_json()
    settings = definition.pop("settings")
    return {
        **{name: value for name, value in settings.items() if name != "params"},
        **settings["params"],
        "target": str(context.project.model.target),
        **{name: value for name, value in definition.items() if name != "name"},
    }


def _tell(recorder: RunRecorder, report: StageReport, context: RunContext) -> None:
    record = report.record
    tell = _STAGES.get(record.name)
    if tell is not None:
        tell(recorder, record.facts, context)
    if report.skipped:
        recorder.tag(f"skipped.{record.name}", "its inputs did not change")
        return
    recorder.metric(f"seconds.{record.name}", record.seconds, higher_is_better=False)
    registers = _REGISTERING.get(record.name)
    if registers is not None:
        registers(recorder, record.facts, context)


def _ingest(recorder: RunRecorder, facts: dict[str, Any], _context: RunContext) -> None:
    for name, table in facts["tables"].items():
        recorder.snapshot(name, SnapshotRead(name, table["version"], table["digest"]))


def _validate(recorder: RunRecorder, facts: dict[str, Any], _context: RunContext) -> None:
    for name, used in facts["tables"].items():
        recorder.snapshot(name, SnapshotRead(used["name"], used["version"], used["digest"]))


def _features(recorder: RunRecorder, facts: dict[str, Any], _context: RunContext) -> None:
    recorder.tag("plan_digest", facts["plan_digest"])
    recorder.tag("features_digest", facts["matrix_digest"])
    recorder.metric("features", facts["features"])


def _train(recorder: RunRecorder, facts: dict[str, Any], _context: RunContext) -> None:
    watched, higher = f"valid.{facts['metric']}", facts["higher_is_better"]
    recorder.metric(watched, facts["valid"], higher_is_better=higher)
    recorder.curve(watched, facts["curve"])
    recorder.metric("trees", facts["trees"])
    recorder.tag(OBJECTIVE, watched)
    if facts["folds"]:
        recorder.metric(f"folds.{facts['metric']}", facts["folds"]["mean"], higher_is_better=higher)
    for part, rows in facts["rows"].items():
        recorder.metric(f"rows.{part}", rows)


def _evaluate(recorder: RunRecorder, facts: dict[str, Any], context: RunContext) -> None:
    for prefix, evaluation in (("test", facts["evaluation"]), ("refit", facts["refit"]["evaluation"])):
        for name, figure in evaluation["model"]["figures"].items():
            ends = figure["value"], figure["low"], figure["high"]
            recorder.metric(f"{prefix}.{name}", *ends, higher_is_better=higher_is_better(name))
    verdicts = facts["gates"]["verdicts"]
    recorder.tag("gates", f"{sum(one['passed'] for one in verdicts)} of {len(verdicts)} passed")
    watched = context.records["train"].facts["metric"]
    if watched in facts["evaluation"]["model"]["figures"]:
        recorder.tag(OBJECTIVE, f"test.{watched}")


def _serve(recorder: RunRecorder, facts: dict[str, Any], _context: RunContext) -> None:
    recorder.metric("latency.p50_ms", facts["p50_ms"], higher_is_better=False)
    recorder.metric("latency.p99_ms", facts["p99_ms"], higher_is_better=False)
    recorder.metric("served.rows_per_s", facts["rows_per_s"], higher_is_better=True)


def _report(recorder: RunRecorder, _facts: dict[str, Any], context: RunContext) -> None:
    recorder.artefact("report.html", str(context.workspace.report))


def _package(recorder: RunRecorder, facts: dict[str, Any], context: RunContext) -> None:
    for version, digest in facts["digests"].items():
        recorder.version(RegisteredVersion(context.project.model.name, int(version), digest))
    for file in facts["files"]:
        recorder.artefact(f"package/{file['name']}", digest=file["digest"], size_bytes=file["size_bytes"])


def _monitor(recorder: RunRecorder, facts: dict[str, Any], context: RunContext) -> None:
    retrained = facts["retraining"]
    if retrained and retrained["outcome"] == "retrained":
        recorder.version(RegisteredVersion(context.project.model.name, retrained["version"], retrained["digest"]))


_STAGES = {
    "ingest": _ingest,
    "validate": _validate,
    "features": _features,
    "train": _train,
    "evaluate": _evaluate,
    "serve": _serve,
    "report": _report,
}
_REGISTERING = {"package": _package, "monitor": _monitor}
