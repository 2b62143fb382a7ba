"""The mirror's own tables: what each server has been sent, and who is sending."""

from __future__ import annotations

import sqlalchemy as sa

METADATA = sa.MetaData()

SENT_RUNS = sa.Table(
    "mirror_runs",
    METADATA,
    sa.Column("server", sa.Text, primary_key=True),
    sa.Column("run", sa.Text, primary_key=True),
    sa.Column("remote", sa.Text),  # the server's id; null: asked for, and the answer not seen yet
    sa.Column("revision", sa.Integer, nullable=False),  # of the run that the server has whole; 0: none
    sa.Column("refused", sa.Text, nullable=False),  # why the server did not take the revision; empty: it did
)

SENT_MODELS = sa.Table(
    "mirror_models",
    METADATA,
    sa.Column("server", sa.Text, primary_key=True),
    sa.Column("model", sa.Text, primary_key=True),
    sa.Column("state", sa.Text, nullable=False),  # digest of the versions and aliases that the server has
)

LEASES = sa.Table(
    "mirror_leases",
    METADATA,
    sa.Column("server", sa.Text, primary_key=True),
    sa.Column("host", sa.Text, nullable=False),
    sa.Column("process", sa.Text, nullable=False),
    sa.Column("until", sa.Text, nullable=False),  # ISO 8601, UTC
)
