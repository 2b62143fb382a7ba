"""The embedded database: append-only tables, readers that do not wait."""

import sqlite3

import pytest
import sqlalchemy as sa

from headrace.core.database import forbid_changes, open_database, reading
from headrace.core.errors import CorruptedError


@pytest.fixture
def table():
    metadata = sa.MetaData()
    events = sa.Table("events", metadata, sa.Column("id", sa.Integer, primary_key=True), sa.Column("what", sa.String))
    forbid_changes(events)
    return events


def test_rows_are_added_and_never_changed_by_any_client(tmp_path, table):
    engine = open_database(tmp_path / "x.db")
    with engine.begin() as tx:
        table.metadata.create_all(tx)
        tx.execute(sa.insert(table).values(id=1, what="a"))
    engine.dispose()
    foreign = sqlite3.connect(tmp_path / "x.db")
    for statement in (
        "UPDATE events SET what = 'b'",
        "DELETE FROM events",
        "INSERT OR REPLACE INTO events VALUES (1, 'b')",
    ):
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            foreign.execute(statement)
    assert foreign.execute("SELECT * FROM events").fetchall() == [(1, "a")]
    foreign.close()


def test_a_reader_does_not_wait_for_a_writer(tmp_path, table):
    engine = open_database(tmp_path / "x.db")
    with engine.begin() as tx:
        table.metadata.create_all(tx)
    with engine.begin() as writer:
        writer.execute(sa.insert(table).values(id=1, what="a"))
        with reading(engine) as reader:
            assert reader.execute(sa.select(table)).all() == []
    with reading(engine) as reader:
        assert reader.execute(sa.select(table)).all() == [(1, "a")]
    engine.dispose()


def test_a_failed_transaction_leaves_nothing(tmp_path, table):
    engine = open_database(tmp_path / "x.db")
    with engine.begin() as tx:
        table.metadata.create_all(tx)

    def fail():
        with engine.begin() as tx:
            tx.execute(sa.insert(table).values(id=1, what="a"))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    with reading(engine) as reader:
        assert reader.execute(sa.select(table)).all() == []
    engine.dispose()


def test_a_file_that_is_no_database_is_named(tmp_path):
    (tmp_path / "x.db").write_bytes(b"not a database, by any means" * 100)
    with pytest.raises(CorruptedError, match=r"x\.db is not a readable SQLite database"):
        open_database(tmp_path / "x.db")
