"""What a run has told and the database does not have yet, and how it gets there."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from headrace.training.runs import schema
from headrace.training.runs.records import Artefact, MetricValue, RegisteredVersion, SnapshotRead


@dataclass
class Pending:
    """Things told since the last write, by name; the last of a name counts."""

    parameters: dict[str, Any] = field(default_factory=dict)
    metrics: dict[str, MetricValue] = field(default_factory=dict)
    curves: dict[str, tuple[list[list[float]], datetime]] = field(default_factory=dict)
    artefacts: dict[str, Artefact] = field(default_factory=dict)
    snapshots: dict[str, SnapshotRead] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    versions: dict[str, RegisteredVersion] = field(default_factory=dict)

    def write(self, tx: sa.Connection, run: str) -> None:
        """Put everything into the caller's transaction; what had the name before is replaced."""
        for table, rows in self._rows():
            if rows:
                tx.execute(
                    sa.delete(table).where(table.c.run == run, table.c.name == sa.bindparam("told")),
                    [{"told": row["name"]} for row in rows],
                )
                tx.execute(sa.insert(table), [{"run": run, **row} for row in rows])

    def _rows(self) -> Iterator[tuple[sa.Table, list[dict[str, Any]]]]:
        yield schema.PARAMETERS, [{"name": name, "value": json.dumps(value)} for name, value in self.parameters.items()]
        yield (
            schema.METRICS,
            [
                {"name": name, **asdict(metric), "at": stamp(metric.at) if metric.at else ""}
                for name, metric in self.metrics.items()
            ],
        )
        yield (
            schema.CURVES,
            [
                {"name": name, "points": json.dumps(points), "at": stamp(at)}
                for name, (points, at) in self.curves.items()
            ],
        )
        for table, told in (
            (schema.ARTEFACTS, self.artefacts),
            (schema.SNAPSHOTS, self.snapshots),
            (schema.VERSIONS, self.versions),
        ):
            yield table, [{"name": name, **asdict(one)} for name, one in told.items()]
        yield schema.TAGS, [{"name": name, "value": value} for name, value in self.tags.items()]


def stamp(at: datetime) -> str:
    """A time as the tables hold it."""
    return at.isoformat(timespec="microseconds")
