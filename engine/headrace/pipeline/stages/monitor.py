"""Stage nine: served weeks judged, a rehearsed fault found and named, and the retraining it asks for."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from headrace.core.errors import DefinitionError, FailedCheckError, did_you_mean
from headrace.monitoring import Alert, AlertLog, Severity, Verdict
from headrace.pipeline import retraining
from headrace.pipeline.context import RunContext
from headrace.pipeline.dataset import DAY_US, Dataset, load_dataset
from headrace.pipeline.fingerprint import describe
from headrace.pipeline.project import UnitChange
from headrace.pipeline.stage import StageOutcome
from headrace.pipeline.stages.serve import send_rows, write_features
from headrace.pipeline.watching import (
    Watched,
    WatchedWindow,
    describe_window,
    judge_served,
    judge_window,
    load_baseline,
    read_served,
)

PREFIX = "rehearsal/"


class MonitorStage:
    """Watches what was served, rehearses a fault, closes the loop."""

    name: ClassVar[str] = "monitor"
    after: ClassVar[tuple[str, ...]] = ("release",)
    code: ClassVar[tuple[str, ...]] = ("monitoring", "training", "evaluation", "packaging")

    def inputs(self, context: RunContext) -> Any:
        """Windows, rehearsal and policy; the answers judged are those of the serve stage."""
        return describe(context.project.monitoring)

    def outputs(self, context: RunContext) -> list[Path]:
        """The log whose predictions were judged."""
        return [context.workspace.predictions / context.records["serve"].facts["prediction_log"]]

    def run(self, context: RunContext) -> StageOutcome:
        """Judge clean windows, then the rehearsed fault; retrain where the policy says so.

        Raises:
            FailedCheckError: the rehearsed fault was not found.
        """
        dataset = load_dataset(context)
        version = context.records["package"].facts["versions"]["first"]
        rehearsal = context.project.monitoring.rehearsal
        if rehearsal is not None:
            _rehearse(context, dataset, rehearsal)
        context.stop_server()  # the drain writes out what it logged
        with context.progress.step("judge windows"):
            watched = judge_served(context, read_served(context, dataset, version), version)
            found = _judge_rehearsal(context, dataset, version) if rehearsal is not None else None
        alarms = sum(window.verdict == Verdict.DRIFTED.value for window in watched.windows)
        _alert(context, found)
        retrained = _retrain(context, dataset, found)
        return StageOutcome(
            headline=_headline(watched, alarms, found),
            detail=f"{retrained['reason']}: {retrained['outcome']}, {retrained['candidate']}" if retrained else "",
            facts=_facts(context, watched, found, retrained),
        )


def _facts(
    context: RunContext, watched: Watched, found: WatchedWindow | None, retrained: dict[str, Any] | None
) -> dict[str, Any]:
    rehearsal = context.project.monitoring.rehearsal
    windows = watched.to_json()["windows"]
    rehearsed = None
    if found is not None and rehearsal is not None:
        words = rehearsal.words or f"times {rehearsal.factor:g}"
        rehearsed = {
            "label": f"{found.label}*",
            "rows": found.rows,
            "verdict": found.verdict,
            "reason": found.reason,
            "drifted": list(found.drifted),
            "excess": found.excess,
            "feature": rehearsal.feature,
            "words": words,
        }
    return {
        "windows": windows,
        "judged_features": watched.judged_features,
        "clean_windows": len(windows),
        "false_alarms": sum(window["verdict"] == Verdict.DRIFTED.value for window in windows),
        "false_alarm_features": sorted({name for window in windows for name in window["drifted"]}),
        "importance": context.records["train"].facts["importance"],
        "rehearsal": rehearsed,
        "drift_found": found.worst_feature if found else None,
        "retraining": retrained,
        "retrained": int(retrained is not None and retrained["outcome"] == "retrained"),
    }


def _rehearse(context: RunContext, dataset: Dataset, change: UnitChange) -> None:
    """Send the last whole window of the test months again, one feature in another unit."""
    if change.feature not in dataset.matrix.names:
        raise DefinitionError(
            f"rehearsal: no feature '{change.feature}'", hint=did_you_mean(change.feature, dataset.matrix.names)
        )
    window_us = context.project.monitoring.window_days * DAY_US
    end = int(dataset.times.max()) + 1
    rows = np.flatnonzero((dataset.times >= end - window_us) & (dataset.times < end))
    sent = context.workspace.exchange / "rehearsal.arrow"
    write_features(sent, dataset, rows, prefix=PREFIX, scale={change.feature: change.factor})
    with context.progress.step("rehearse a unit change"):
        name = context.project.model.name
        send_rows(context.server().address, name, sent, None, rows=64, in_flight=4)


def _judge_rehearsal(context: RunContext, dataset: Dataset, version: int) -> WatchedWindow:
    rehearsal = context.project.monitoring.rehearsal
    assert rehearsal is not None
    served = read_served(context, dataset, version, prefix=PREFIX)
    span = timedelta(days=context.project.monitoring.window_days)
    judged = judge_window(context, load_baseline(context, context.project.model.name, version), served, span)
    found = describe_window(judged, datetime.fromtimestamp(int(served.times.min()) / 1e6, UTC))
    if found.verdict != Verdict.DRIFTED.value or found.worst_feature != rehearsal.feature:
        raise FailedCheckError(
            f"the rehearsed fault in '{rehearsal.feature}' was not found: {found.reason}",
            hint="rehearse a change of a feature the model leans on, or a larger factor",
        )
    return found


def _alert(context: RunContext, found: WatchedWindow | None) -> None:
    """Fire the alert of a rehearsed fault, and recover it: the fault ended with the rehearsal."""
    if found is None:
        return
    log, key = AlertLog(context.workspace.alerts), f"{context.project.model.name}/drift"
    log.fire(
        Alert(
            key=key,
            summary=found.reason,
            at=context.clock.now(),
            severity=Severity.TICKET,
            details={"feature": found.worst_feature, "excess": found.excess[found.drifted[0]], "rehearsal": True},
        )
    )
    log.recover(key, at=context.clock.now(), summary="the rehearsal is over")


def _retrain(context: RunContext, dataset: Dataset, found: WatchedWindow | None) -> dict[str, Any] | None:
    if found is None:
        return None
    decision, new_labels = retraining.decide(context, dataset, found.drifted)
    if decision.retrain:
        return retraining.retrain(context, dataset, decision, new_labels)
    return {
        "outcome": "skipped",
        "trigger": decision.trigger.value if decision.trigger else "",
        "reason": decision.reason,
        "new_labels": new_labels,
        "candidate": "nothing trained",
    }


def _headline(watched: Watched, alarms: int, found: WatchedWindow | None) -> str:
    text = f"{len(watched.windows)} clean windows, {alarms} false alarms"
    return f"{text} · drift found in {found.worst_feature}" if found else text
