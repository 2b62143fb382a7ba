"""A user's project: one Python file that declares tables, features, a model, and how it is released and watched."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any

from headrace.core.errors import DefinitionError
from headrace.features import EventTable, StateTable, TableReference
from headrace.monitoring import DriftSettings, RetrainPolicy
from headrace.pipeline.project_file import find_project_file, import_project_file
from headrace.training import Model
from headrace.training.tuning import Tuning
from headrace.validation import Schema, as_schema


@dataclass(frozen=True)
class Release:
    """How a new version meets traffic.

    Attributes:
        share: part of the traffic the canary takes first, in (0, 1).
        requests: requests the canary is watched for before it is promoted.
    """

    share: float = 0.10
    requests: int = 4_000

    def __post_init__(self) -> None:
        if not 0 < self.share < 1:
            raise DefinitionError(f"release share is {self.share}; it must lie between 0 and 1")
        if self.requests < 100:
            raise DefinitionError(f"release requests is {self.requests}; a share of fewer than 100 says nothing")


@dataclass(frozen=True)
class UnitChange:
    """A rehearsed fault: from one day on, a feature arrives in another unit. Monitoring must find it and name it.

    Attributes:
        feature: the feature that changes.
        factor: what its values are multiplied by (60: seconds where minutes were meant).
        words: for the report: "minutes arrive as seconds".
    """

    feature: str
    factor: float
    words: str = ""


@dataclass(frozen=True)
class Monitoring:
    """How a served model is watched.

    Attributes:
        window_days: length of the windows that drift and quality are judged over.
        drift: thresholds of drift.
        rehearsal: a fault injected once a run to prove that it is found; None: no rehearsal.
        retrain: when a drifting model is trained again.
    """

    window_days: int = 7
    drift: DriftSettings = field(default_factory=DriftSettings)
    rehearsal: UnitChange | None = None
    retrain: RetrainPolicy = field(default_factory=RetrainPolicy)


@dataclass(frozen=True)
class Project:
    """What `headrace run` runs.

    Attributes:
        name: for people and paths.
        model: the model, its features and through them every table.
        schemas: what each stored table must satisfy, by table name; a pandera model is read into a `Schema`.
        question: what the model answers, as a sentence for the report.
        positives: what a positive row is, in the plural ("late flights").
        release: how a new version meets traffic.
        monitoring: how a served model is watched.
        units: column -> unit, for pictures.
        tuning: what `headrace tune` tries, for how long, and what the model must keep to; a run does not depend on it.

    Raises:
        DefinitionError: a schema names a table that no definition brings in.
    """

    name: str
    model: Model
    schemas: Mapping[str, Schema] = field(default_factory=dict)
    question: str = ""
    positives: str = "positive rows"
    release: Release = field(default_factory=Release)
    monitoring: Monitoring = field(default_factory=Monitoring)
    units: Mapping[str, str] = field(default_factory=dict)
    tuning: Tuning = field(default_factory=Tuning)

    def __post_init__(self) -> None:
        object.__setattr__(self, "schemas", {name: as_schema(found) for name, found in self.schemas.items()})
        unknown = sorted(set(self.schemas) - set(self.sources))
        if unknown:
            raise DefinitionError(
                f"project '{self.name}': schema for table '{unknown[0]}', which no definition brings in; "
                f"tables: {', '.join(self.sources)}"
            )

    @property
    def sources(self) -> dict[str, Any]:
        """Stored table -> its source, in the order the definitions name them."""
        return {
            table.table: table.source
            for table in _tables(self.model.features)
            if table.source is not None and not isinstance(table.source, TableReference)
        }


def _tables(definition: Any) -> Iterator[EventTable | StateTable]:
    """Every table that a definition reads, in the order it names them."""
    if isinstance(definition, (EventTable, StateTable)):
        yield definition
    elif is_dataclass(definition) and not isinstance(definition, type):
        for part in fields(definition):
            yield from _tables(getattr(definition, part.name))
    elif isinstance(definition, (list, tuple)):
        for item in definition:
            yield from _tables(item)


def load_project(path: Path) -> tuple[Project, Path]:
    """Load a project file.

    Args:
        path: the file, or a folder that holds `project.py`.

    Returns:
        the project and its folder, absolute.

    Raises:
        NotFoundError: there is no such file.
        DefinitionError: the file does not run, or does not define exactly one Project.
    """
    file = find_project_file(path)
    module = import_project_file(file)
    found = [value for value in vars(module).values() if isinstance(value, Project)]
    if len(found) != 1:
        raise DefinitionError(
            f"{file} defines {len(found)} projects; it must define exactly one",
            hint='end the file with: project = hr.Project("name", model=...)',
        )
    return found[0], file.parent
