"""One run to the server: created once, then whatever it lacks, in batches, and how it ended."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any, TypeVar

from headrace.core.errors import NotFoundError
from headrace.pipeline.mirror.client import MlflowClient, RefusedError
from headrace.pipeline.mirror.entities import (
    CURVES,
    NOTE_TAG,
    RUN_TAG,
    STATUSES,
    Entities,
    Point,
    entities,
    milliseconds,
)
from headrace.pipeline.mirror.outbox import Outbox, Waiting
from headrace.training.runs import RunRecord, RunStatus

# log-batch takes 1,000 things and a megabyte.
_METRICS, _PARAMETERS, _TAGS = 800, 60, 60
_UNNAMED = "headrace"

_T = TypeVar("_T")


@dataclass
class RunSender:
    """Sends runs through one client, noting every step in the outbox."""

    client: MlflowClient
    outbox: Outbox
    _experiments: dict[str, str] = field(default_factory=dict, init=False)

    def send(self, run: RunRecord, waiting: Waiting) -> None:
        """Bring the server's run up to this revision. Doing it again, after any interruption, doubles nothing.

        Raises:
            RefusedError: the server does not take it.
            UnavailableError: no answer; the next attempt goes on from here.
        """
        remote, known = waiting.remote, waiting.remote is not None
        parent = self.outbox.remote(run.start.parent) if run.start.parent else None
        wanted = entities(run, parent)
        experiment = self._experiment(run.start.project or _UNNAMED)
        if waiting.is_new:
            self.outbox.note_wanted(run.id)
        elif remote is None:  # asked for by a process that died, or whose connection did
            remote = self._find(experiment, run.id)
            known = remote is not None
        if remote is None:
            remote = self._create(experiment, run, wanted)
        self.outbox.note_remote(run.id, remote)
        lacking = _lacking(wanted, self._there(remote, wanted)) if known else wanted
        for batch in _batches(lacking):
            self.client.post("runs/log-batch", {"run_id": remote, **batch})
        if known or run.status is not RunStatus.RUNNING:
            self._update(remote, run)
        self.outbox.note_sent(run.id, run.revision)

    def _experiment(self, name: str) -> str:
        if name not in self._experiments:
            try:
                answer = self.client.get("experiments/get-by-name", experiment_name=name)
                self._experiments[name] = answer["experiment"]["experiment_id"]
            except RefusedError as error:
                if error.reason != "RESOURCE_DOES_NOT_EXIST":
                    raise
                created = self.client.post("experiments/create", {"name": name})
                self._experiments[name] = created["experiment_id"]
        return self._experiments[name]

    def _find(self, experiment: str, run: str) -> str | None:
        body = {
            "experiment_ids": [experiment],
            "filter": f"tags.`{RUN_TAG}` = '{run}'",
            "max_results": 1,
            "run_view_type": "ALL",
        }
        found = self.client.post("runs/search", body).get("runs", [])
        return found[0]["info"]["run_id"] if found else None

    def _create(self, experiment: str, run: RunRecord, wanted: Entities) -> str:
        body = {
            "experiment_id": experiment,
            "start_time": milliseconds(run.started_at),
            "run_name": run.title,
            # The tag comes with the run itself: a run that was created is found again, whatever happened since.
            "tags": [{"key": RUN_TAG, "value": wanted.tags[RUN_TAG]}],
        }
        created: str = self.client.post("runs/create", body)["run"]["info"]["run_id"]
        return created

    def _there(self, remote: str, wanted: Entities) -> Entities:
        """What the server has of a run."""
        try:
            run = self.client.get("runs/get", run_id=remote)["run"]
        except RefusedError as error:
            if error.reason == "RESOURCE_DOES_NOT_EXIST":
                raise NotFoundError(f"the server has no run {remote} any more") from error
            raise
        data = run.get("data", {})
        curves = {
            metric["key"]: list(
                self.client.pages("metrics/get-history", "metrics", run_id=remote, metric_key=metric["key"])
            )
            for metric in data.get("metrics", ())
            if metric["key"] in wanted.curves
        }
        return Entities(
            {one["key"]: one["value"] for one in data.get("params", ())},
            {one["key"]: one["value"] for one in data.get("tags", ())},
            [one for one in data.get("metrics", ()) if not one["key"].startswith(CURVES)],
            curves,
        )

    def _update(self, remote: str, run: RunRecord) -> None:
        body: dict[str, Any] = {"run_id": remote, "status": STATUSES[run.status]}
        if run.ended_at is not None:
            body["end_time"] = milliseconds(run.ended_at)
        self.client.post("runs/update", body)


def _lacking(wanted: Entities, there: Entities) -> Entities:
    """What the server does not have. A parameter cannot be changed there: it keeps its value, and a tag tells."""
    changed = [name for name, value in wanted.parameters.items() if there.parameters.get(name, value) != value]
    tags = dict(wanted.tags)
    if changed:
        said = f"changed since they were sent: {', '.join(changed)}"
        tags[NOTE_TAG] = f"{tags[NOTE_TAG]}; {said}" if NOTE_TAG in tags else said
    last = {(one["key"], one["value"], one["timestamp"]) for one in there.metrics}
    return Entities(
        {name: value for name, value in wanted.parameters.items() if name not in there.parameters},
        {name: value for name, value in tags.items() if there.tags.get(name) != value},
        [one for one in wanted.metrics if (one["key"], one["value"], one["timestamp"]) not in last],
        {key: _new_points(points, there.curves.get(key, ())) for key, points in wanted.curves.items()},
    )


def _new_points(points: Sequence[Point], there: Sequence[Point]) -> list[Point]:
    known = {(one["step"], one["value"]) for one in there}
    return [point for point in points if (point["step"], point["value"]) not in known]


def _batches(lacking: Entities) -> Iterator[dict[str, Any]]:
    points = [*lacking.metrics, *(point for curve in lacking.curves.values() for point in curve)]
    for metrics, parameters, tags in zip_longest(
        _pieces(points, _METRICS),
        _pieces(list(lacking.parameters.items()), _PARAMETERS),
        _pieces(list(lacking.tags.items()), _TAGS),
        fillvalue=(),
    ):
        yield {
            "metrics": list(metrics),
            "params": [{"key": key, "value": value} for key, value in parameters],
            "tags": [{"key": key, "value": value} for key, value in tags],
        }


def _pieces(things: Sequence[_T], size: int) -> Iterator[Sequence[_T]]:
    return (things[start : start + size] for start in range(0, len(things), size))
