"""What is known of a run, as plain data."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from headrace.core.code_version import CodeState

Points = tuple[tuple[float, float], ...]
SHORT_ID = 8
OBJECTIVE = "objective"  # the tag that names the metric a run is ranked by


class RunKind(StrEnum):
    """What ran."""

    PIPELINE = "pipeline"
    TUNING = "tuning"
    TRIAL = "trial"


class RunStatus(StrEnum):
    """How far a run is."""

    RUNNING = "running"
    FINISHED = "finished"
    FAILED = "failed"
    KILLED = "killed"  # interrupted, or its process died


@dataclass(frozen=True)
class RunStart:
    """What is known of a run before it runs.

    Attributes:
        kind: what runs.
        project: the project's name.
        model: the model's name.
        name: for people; may be empty.
        parent: id of the run it belongs to.
        code: of the project.
        environment: `describe_environment`; empty for a trial, which shares its parent's.
    """

    kind: RunKind
    project: str = ""
    model: str = ""
    name: str = ""
    parent: str | None = None
    code: CodeState = field(default_factory=CodeState)
    environment: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class MetricValue:
    """The last value of a metric.

    Attributes:
        value: None where it could not be measured.
        low: lower end of its interval; None without one.
        high: upper end.
        higher_is_better: None where neither is, or nobody said.
        at: when it was recorded, UTC.
    """

    value: float | None
    low: float | None = None
    high: float | None = None
    higher_is_better: bool | None = None
    at: datetime | None = None


@dataclass(frozen=True)
class Artefact:
    """A file that a run left.

    Attributes:
        path: where; may be empty where the digest says it.
        digest: of its content; may be empty.
        size_bytes: None where it was not told.
    """

    path: str = ""
    digest: str = ""
    size_bytes: int | None = None


@dataclass(frozen=True)
class SnapshotRead:
    """A table as it was read.

    Attributes:
        stored: what it is called in the store.
        version: of the stored table.
        digest: of its content.
    """

    stored: str
    version: int
    digest: str


@dataclass(frozen=True)
class RegisteredVersion:
    """A model version that a run registered."""

    model: str
    version: int
    digest: str

    def __str__(self) -> str:
        return f"{self.model}@{self.version}"


@dataclass(frozen=True)
class RunRecord:
    """One run.

    Attributes:
        id: 32 hexadecimal characters.
        start: what was known before.
        status: how far it is.
        started_at: UTC.
        ended_at: UTC; of a process that died, when it was last heard of. None while it runs.
        failure: why it failed or was killed; else empty.
        host: the machine.
        revision: grows with every write.
        children: how many runs name it as their parent.
        parameters: name -> JSON value.
        metrics: name -> last value.
        curves: name -> points in order; empty where they were not asked for.
        curves_at: name -> when the curve was recorded.
        artefacts: name -> file.
        snapshots: table -> what was read.
        tags: name -> text.
        versions: model versions it registered.
    """

    id: str
    start: RunStart
    status: RunStatus
    started_at: datetime
    ended_at: datetime | None
    failure: str
    host: str
    revision: int
    children: int = 0
    parameters: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, MetricValue] = field(default_factory=dict)
    curves: Mapping[str, Points] = field(default_factory=dict)
    curves_at: Mapping[str, datetime] = field(default_factory=dict)
    artefacts: Mapping[str, Artefact] = field(default_factory=dict)
    snapshots: Mapping[str, SnapshotRead] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    versions: tuple[RegisteredVersion, ...] = ()

    @property
    def short_id(self) -> str:
        """The first characters of the id."""
        return self.id[:SHORT_ID]

    @property
    def title(self) -> str:
        """Name where it has one, else kind, with the short id."""
        return f"{self.start.name or self.start.kind.value} {self.short_id}"

    @property
    def seconds(self) -> float | None:
        """How long it ran; None while it runs."""
        return (self.ended_at - self.started_at).total_seconds() if self.ended_at is not None else None

    def to_json(self) -> dict[str, Any]:
        """Encode as JSON data."""
        start = self.start
        return {
            "id": self.id,
            "parent": start.parent,
            "kind": start.kind.value,
            "project": start.project,
            "model": start.model,
            "name": start.name,
            "status": self.status.value,
            "started_at": self.started_at.isoformat(),
            "ended_at": self.ended_at.isoformat() if self.ended_at else None,
            "seconds": self.seconds,
            "failure": self.failure,
            "host": self.host,
            "code_commit": start.code.commit,
            "code_dirty": start.code.is_dirty,
            "environment": dict(start.environment),
            "children": self.children,
            "parameters": dict(self.parameters),
            "metrics": {
                name: {key: value for key, value in asdict(metric).items() if key != "at"}
                for name, metric in self.metrics.items()
            },
            "curves": {name: [list(point) for point in points] for name, points in self.curves.items()},
            "artefacts": {name: asdict(artefact) for name, artefact in self.artefacts.items()},
            "snapshots": {name: asdict(read) for name, read in self.snapshots.items()},
            "tags": dict(self.tags),
            "versions": [asdict(version) for version in self.versions],
        }


def flatten(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested mappings as one, names joined by dots; what JSON cannot carry becomes text, NaN and Inf as well."""
    return dict(_flattened(values, prefix))


def _flattened(values: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _flattened(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", _plain(value)


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    try:
        return json.loads(json.dumps(value, allow_nan=False))
    except (TypeError, ValueError):
        return str(value)
