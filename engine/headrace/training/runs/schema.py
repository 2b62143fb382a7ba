"""The tables of run records: one row a run, and one a thing that is known of it.

Types are SQLAlchemy's own, so that the tables are the same in SQLite and in PostgreSQL; times are ISO 8601 text in UTC
with microseconds, whose order as text is their order in time.
"""

from __future__ import annotations

import sqlalchemy as sa

METADATA = sa.MetaData()

RUNS = sa.Table(
    "runs",
    METADATA,
    sa.Column("id", sa.Text, primary_key=True),  # 32 hexadecimal characters
    sa.Column("parent", sa.Text, sa.ForeignKey("runs.id")),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("project", sa.Text, nullable=False),
    sa.Column("model", sa.Text, nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("started_at", sa.Text, nullable=False),
    sa.Column("seen_at", sa.Text, nullable=False),  # of the last write
    sa.Column("ended_at", sa.Text),
    sa.Column("failure", sa.Text, nullable=False),
    sa.Column("host", sa.Text, nullable=False),
    sa.Column("process", sa.Text, nullable=False),  # see process.py
    sa.Column("code_commit", sa.Text),
    sa.Column("code_dirty", sa.Boolean, nullable=False),
    sa.Column("environment", sa.Text, nullable=False),  # JSON
    sa.Column("revision", sa.Integer, nullable=False),  # grows with every write: what a mirror has not sent yet
    sa.Index("runs_by_time", "started_at"),
    sa.Index("runs_by_parent", "parent"),
    sa.Index("runs_by_status", "status"),
)


def _of_run(name: str, *columns: sa.Column[str] | sa.Column[float] | sa.Column[int] | sa.Column[bool]) -> sa.Table:
    """A table of named things of a run."""
    return sa.Table(
        name,
        METADATA,
        sa.Column("run", sa.Text, sa.ForeignKey("runs.id"), primary_key=True),
        sa.Column("name", sa.Text, primary_key=True),
        *columns,
    )


PARAMETERS = _of_run("run_parameters", sa.Column("value", sa.Text, nullable=False))  # JSON
METRICS = _of_run(
    "run_metrics",
    sa.Column("value", sa.Double),  # null: it could not be measured
    sa.Column("low", sa.Double),
    sa.Column("high", sa.Double),
    sa.Column("higher_is_better", sa.Boolean),
    sa.Column("at", sa.Text, nullable=False),
)
CURVES = _of_run(
    "run_curves",
    sa.Column("points", sa.Text, nullable=False),  # JSON: [[x, y], ...]
    sa.Column("at", sa.Text, nullable=False),
)
ARTEFACTS = _of_run(
    "run_artefacts",
    sa.Column("path", sa.Text, nullable=False),
    sa.Column("digest", sa.Text, nullable=False),
    sa.Column("size_bytes", sa.BigInteger),
)
SNAPSHOTS = _of_run(
    "run_snapshots",
    sa.Column("stored", sa.Text, nullable=False),  # what the table is called in the store
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("digest", sa.Text, nullable=False),
)
TAGS = _of_run("run_tags", sa.Column("value", sa.Text, nullable=False))
VERSIONS = _of_run(  # `name` is the reference, `late@3`
    "run_versions",
    sa.Column("model", sa.Text, nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("digest", sa.Text, nullable=False),
)
