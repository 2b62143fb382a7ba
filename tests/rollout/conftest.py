"""Fixtures of the release tests: a database file, a clock turned by hand, the aliases a registry would hold."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from headrace.core.clock import ManualClock
from headrace.core.database import open_database
from headrace.core.errors import NotFoundError
from headrace.rollout import Ledger, Releases

ALIASES = sa.Table(
    "aliases", sa.MetaData(), sa.Column("name", sa.String, primary_key=True), sa.Column("version", sa.Integer)
)
KNOWN_VERSIONS = range(1, 10)


@pytest.fixture
def database(tmp_path):
    engine = open_database(tmp_path / "registry.db")
    yield engine
    engine.dispose()


@pytest.fixture
def aliases(database):
    """Reads the alias table that `releases` moves."""
    ALIASES.metadata.create_all(database)

    def read():
        with database.connect() as connection:
            return {row.name: row.version for row in connection.execute(sa.select(ALIASES))}

    return read


@pytest.fixture
def releases(database, aliases):
    """Release operations that move aliases in a table of the same database, and know versions 1 to 9."""

    def move(transaction, move):
        if move.version not in KNOWN_VERSIONS:
            raise NotFoundError(f"no version {move.version}")
        row = {"name": move.alias, "version": move.version}
        transaction.execute(sa.text("INSERT OR REPLACE INTO aliases VALUES (:name, :version)"), row)

    return Releases(Ledger(database), ManualClock(), move, actor="tests")
