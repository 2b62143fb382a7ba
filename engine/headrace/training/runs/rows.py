"""From rows to records, a table at a time whatever the number of runs."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from headrace.core.code_version import CodeState
from headrace.training.runs import schema
from headrace.training.runs.records import (
    Artefact,
    MetricValue,
    RegisteredVersion,
    RunKind,
    RunRecord,
    RunStart,
    RunStatus,
    SnapshotRead,
)

_AT_ONCE = 500  # ids a statement: SQLite allows 32,766, older builds 999

Row = sa.Row[Any]


def load(tx: sa.Connection, runs: Sequence[Row], *, curves: bool) -> tuple[RunRecord, ...]:
    """Records of rows of `runs`, in their order."""
    ids = [run.id for run in runs]
    parts = {table: _by_run(tx, table, ids) for table in _TABLES}
    drawn = _by_run(tx, schema.CURVES, ids) if curves else {}
    children = _children(tx, ids)
    return tuple(
        RunRecord(
            id=run.id,
            start=_start(run),
            status=RunStatus(run.status),
            started_at=datetime.fromisoformat(run.started_at),
            ended_at=datetime.fromisoformat(run.ended_at) if run.ended_at else None,
            failure=run.failure,
            host=run.host,
            revision=run.revision,
            children=children.get(run.id, 0),
            parameters={row.name: json.loads(row.value) for row in parts[schema.PARAMETERS].get(run.id, ())},
            metrics={row.name: _metric(row) for row in parts[schema.METRICS].get(run.id, ())},
            curves={row.name: tuple((x, y) for x, y in json.loads(row.points)) for row in drawn.get(run.id, ())},
            curves_at={row.name: datetime.fromisoformat(row.at) for row in drawn.get(run.id, ())},
            artefacts={
                row.name: Artefact(row.path, row.digest, row.size_bytes)
                for row in parts[schema.ARTEFACTS].get(run.id, ())
            },
            snapshots={
                row.name: SnapshotRead(row.stored, row.version, row.digest)
                for row in parts[schema.SNAPSHOTS].get(run.id, ())
            },
            tags={row.name: row.value for row in parts[schema.TAGS].get(run.id, ())},
            versions=tuple(
                RegisteredVersion(row.model, row.version, row.digest)
                for row in sorted(parts[schema.VERSIONS].get(run.id, ()), key=lambda row: (row.model, row.version))
            ),
        )
        for run in runs
    )


_TABLES = (schema.PARAMETERS, schema.METRICS, schema.ARTEFACTS, schema.SNAPSHOTS, schema.TAGS, schema.VERSIONS)


def _start(run: Row) -> RunStart:
    return RunStart(
        kind=RunKind(run.kind),
        project=run.project,
        model=run.model,
        name=run.name,
        parent=run.parent,
        code=CodeState(run.code_commit, is_dirty=bool(run.code_dirty)),
        environment=json.loads(run.environment),
    )


def _metric(row: Row) -> MetricValue:
    return MetricValue(row.value, row.low, row.high, row.higher_is_better, datetime.fromisoformat(row.at))


def _by_run(tx: sa.Connection, table: sa.Table, ids: Sequence[str]) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = defaultdict(list)
    for some in _pieces(ids):
        for row in tx.execute(sa.select(table).where(table.c.run.in_(some)).order_by(table.c.name)):
            found[row.run].append(row)
    return found


def _children(tx: sa.Connection, ids: Sequence[str]) -> dict[str, int]:
    parent = schema.RUNS.c.parent
    counted: dict[str, int] = {}
    for some in _pieces(ids):
        rows = tx.execute(sa.select(parent, sa.func.count()).where(parent.in_(some)).group_by(parent))
        counted |= {str(run): int(count) for run, count in rows}
    return counted


def _pieces(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    return (ids[start : start + _AT_ONCE] for start in range(0, len(ids), _AT_ONCE))
