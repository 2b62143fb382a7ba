"""A run in MLflow's terms: parameters, metrics, tags, each with a name and a value that MLflow takes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any

from headrace.pipeline.mirror import names
from headrace.training.runs import RunRecord, RunStatus

RUN_TAG, NOTE_TAG = "headrace.run", "headrace.mirror.note"
CURVES = "curve/"
STATUSES = {
    RunStatus.RUNNING: "RUNNING",
    RunStatus.FINISHED: "FINISHED",
    RunStatus.FAILED: "FAILED",
    RunStatus.KILLED: "KILLED",
}

Point = dict[str, Any]
"""`key`, `value`, `timestamp` in milliseconds, `step`."""


@dataclass(frozen=True)
class Entities:
    """What a run is to MLflow.

    Attributes:
        parameters: key -> text.
        tags: key -> text.
        metrics: last values, with `.low` and `.high` where there is an interval.
        curves: key -> points in order.
    """

    parameters: dict[str, str]
    tags: dict[str, str]
    metrics: list[Point]
    curves: dict[str, list[Point]]


def entities(run: RunRecord, parent: str | None) -> Entities:
    """Put a run into MLflow's terms.

    Args:
        run: with its curves.
        parent: the server's id of the run it belongs to.
    """
    named = names.keys(run.parameters)
    written = {named[name]: names.text(value) for name, value in run.parameters.items()}
    parameters = {name: names.clipped(value, names.MAX_PARAMETER_CHARS) for name, value in written.items()}
    notes = [f"parameter '{name}' is called '{named[name]}'" for name in run.parameters if named[name] != name]
    notes += [f"parameter '{name}' is cut" for name in parameters if parameters[name] != written[name]]
    tags = _tags(run, parent)
    if notes:
        tags[NOTE_TAG] = "; ".join(notes)
    shown = names.keys(tags)
    return Entities(
        parameters,
        {shown[name]: names.clipped(value, names.MAX_TAG_CHARS) for name, value in tags.items()},
        list(_metrics(run)),
        {key: _points(run, name, key) for name, key in names.keys(f"{CURVES}{one}" for one in run.curves).items()},
    )


def milliseconds(at: datetime) -> int:
    """A time as MLflow writes it."""
    return round(at.timestamp() * 1000)


def _metrics(run: RunRecord) -> Iterator[Point]:
    values: dict[str, tuple[float, datetime]] = {}
    for name, metric in run.metrics.items():
        for key, value in ((name, metric.value), (f"{name}.low", metric.low), (f"{name}.high", metric.high)):
            if value is not None:
                values[key] = (value, metric.at or run.started_at)
    fitting = names.keys(values)
    for name, (value, at) in values.items():
        yield {"key": fitting[name], "value": value, "timestamp": milliseconds(at), "step": 0}


def _points(run: RunRecord, name: str, key: str) -> list[Point]:
    """A curve as history: x is the step where it is whole and rises, else the place in the curve is."""
    points = run.curves[name.removeprefix(CURVES)]
    at = milliseconds(run.curves_at[name.removeprefix(CURVES)])
    steps: list[int] = [int(x) for x, _ in points]
    if any(x != step for (x, _), step in zip(points, steps, strict=True)) or any(a >= b for a, b in pairwise(steps)):
        steps = list(range(len(points)))
    return [{"key": key, "value": y, "timestamp": at, "step": step} for (_, y), step in zip(points, steps, strict=True)]


def _tags(run: RunRecord, parent: str | None) -> dict[str, str]:
    start = run.start
    told = {
        RUN_TAG: run.id,
        "headrace.kind": start.kind.value,
        "headrace.model": start.model,
        "headrace.host": run.host,
        "headrace.failure": run.failure,
        "mlflow.parentRunId": parent or "",
        "mlflow.source.name": start.project,
        "mlflow.source.type": "PROJECT",
        "mlflow.source.git.commit": start.code.commit or "",
        "mlflow.note.content": run.tags.get("note", ""),
        "headrace.uncommitted_changes": "true" if start.code.is_dirty else "",
        "headrace.versions": ", ".join(map(str, run.versions)),
    }
    told |= {name: value for name, value in run.tags.items() if name != "note"}
    told |= {
        f"headrace.data.{name}": f"{read.stored} version {read.version} {read.digest}"
        for name, read in run.snapshots.items()
    }
    told |= {f"headrace.artefact.{name}": f"{one.digest} {one.path}".strip() for name, one in run.artefacts.items()}
    environment = dict(start.environment)
    libraries = environment.pop("libraries", {})
    told |= {f"headrace.environment.{name}": names.text(value) for name, value in environment.items()}
    told |= {f"headrace.library.{name}": value for name, value in libraries.items()}
    return {name: value for name, value in told.items() if value}
