"""The record of a tuning: one run, and one child a trial that ended in it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from headrace.core.code_version import code_state
from headrace.pipeline.context import RunContext
from headrace.pipeline.recording import model_parameters
from headrace.pipeline.tuning.report import TuningReport
from headrace.training.runs import RunKind, RunRecorder, RunStart, RunStatus, RunStore, describe_environment
from headrace.training.runs.records import OBJECTIVE
from headrace.training.tuning import State, Trial


class TuningDiary:
    """Tells the tuning's record what its trials found, as they end; one caller at a time."""

    def __init__(self, recorder: RunRecorder, metric: str, *, higher_is_better: bool) -> None:
        self._recorder = recorder
        self._metric, self._higher = f"valid.{metric}", higher_is_better
        recorder.tag(OBJECTIVE, self._metric)

    def trial_ended(self, trial: Trial) -> None:
        """Write a trial's record."""
        child = self._recorder.child(RunKind.TRIAL, f"trial {trial.number}")
        child.parameters(trial.params)
        child.tag(OBJECTIVE, self._metric)
        child.tag("origin", trial.origin.value)
        child.metric(self._metric, trial.value, higher_is_better=self._higher)
        child.curve(self._metric, trial.curve)
        child.metric("trees", trial.trees)
        child.metric("seconds", trial.seconds, higher_is_better=False)
        if trial.measured is not None:
            child.metric("latency.p99_us", trial.measured.latency_p99_us, higher_is_better=False)
            child.metric("size_bytes", trial.measured.size_bytes, higher_is_better=False)
        for target, share in trial.excess.items():
            child.metric(f"over.{target}", share, higher_is_better=False)
        failed = trial.state is State.FAILED
        if trial.state is State.PRUNED:
            child.note("pruned: others were better after as many trees")
        child.finish(RunStatus.FAILED if failed else RunStatus.FINISHED, trial.reason if failed else "")

    def ended(self, report: TuningReport) -> None:
        """Tell what all trials came to."""
        result = report.result
        for state in State:
            self._recorder.metric(f"trials.{state.value}", result.count(state))
        if not result.ranked:
            return
        winner = result.winner
        self._recorder.metric(self._metric, winner.value, higher_is_better=self._higher)
        self._recorder.tag("winner", f"trial {winner.number}")
        self._recorder.parameters({f"winner.{name}": value for name, value in winner.params.items()})
        if report.comparison is not None:
            improvement = report.comparison.improvement[result.metric]
            ends = improvement.value, improvement.low, improvement.high
            self._recorder.metric(f"test.{result.metric}.improvement", *ends, higher_is_better=True)
            self._recorder.note(report.verdict)
        if report.frozen is not None:
            self._recorder.artefact("tuned", str(report.frozen))


@contextmanager
def recorded_tuning(context: RunContext) -> Iterator[TuningDiary]:
    """Give the diary of a tuning; however the block ends, the record says so. A mirror is started where one is set.

    Raises:
        UnavailableError: the database does not take the record.
    """
    from headrace.pipeline.mirror import start_mirror

    model = context.project.model
    start = RunStart(
        RunKind.TUNING,
        project=context.project.name,
        model=model.name,
        code=code_state(context.folder),
        environment=describe_environment(threads=context.settings.threads),
    )
    try:
        with RunStore(context.database, clock=context.clock).begin(start) as recorder:
            recorder.parameters(model_parameters(context))
            watched = model.settings(threads=1).watched
            yield TuningDiary(recorder, watched.name, higher_is_better=watched.higher_is_better)
    finally:
        start_mirror(context.workspace, context.settings)
        context.close()
