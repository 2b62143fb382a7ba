"""The registry's tables, append-only: an alias points where its latest move says, a pin holds until it is undone."""

from __future__ import annotations

import sqlalchemy as sa

from headrace.core.database import forbid_changes

METADATA = sa.MetaData()

VERSIONS = sa.Table(
    "registry_versions",
    METADATA,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("version", sa.Integer, primary_key=True),
    sa.Column("digest", sa.Text, nullable=False),
    sa.Column("created_at", sa.Text, nullable=False),  # ISO 8601, UTC
    sa.UniqueConstraint("name", "digest"),
)

ALIAS_MOVES = sa.Table(
    "registry_alias_moves",
    METADATA,
    sa.Column(
        "sequence", sa.Integer, primary_key=True, autoincrement=False
    ),  # counted, without gaps, in every database
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("alias", sa.Text, nullable=False),
    sa.Column("version", sa.Integer),  # null: the alias was taken away
    sa.Column("previous_version", sa.Integer),
    sa.Column("actor", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("at", sa.Text, nullable=False),  # ISO 8601, UTC
    sa.ForeignKeyConstraint(["name", "version"], ["registry_versions.name", "registry_versions.version"]),
    sa.Index("registry_alias_moves_latest", "name", "alias", "sequence"),
)

RETENTION = sa.Table(
    "registry_retention",
    METADATA,
    sa.Column("sequence", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("action", sa.Text, nullable=False),  # pin, unpin, collect, restore
    sa.Column("actor", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("at", sa.Text, nullable=False),  # ISO 8601, UTC
    sa.ForeignKeyConstraint(["name", "version"], ["registry_versions.name", "registry_versions.version"]),
    sa.Index("registry_retention_latest", "name", "version", "sequence"),
)

for _table in (VERSIONS, ALIAS_MOVES, RETENTION):
    forbid_changes(_table)


def next_sequence(tx: sa.Connection, table: sa.Table) -> int:
    """The next number of an append-only table; right because a write transaction is the only one."""
    last = tx.scalar(sa.select(sa.func.max(table.c.sequence)))
    return int(last or 0) + 1
