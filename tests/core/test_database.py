"""The index database, SQLite or PostgreSQL: append-only tables, writers in turn, readers that do not wait."""

import sqlite3
import threading
import time

import pytest
import sqlalchemy as sa

from headrace.core.database import database_exists, ensure_tables, forbid_changes, open_database, reading, redacted
from headrace.core.errors import CorruptedError, InvalidInputError, UnavailableError


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def place(request, tmp_path):
    return tmp_path / "x.db" if request.param == "sqlite" else request.getfixturevalue("postgres_database")


@pytest.fixture
def engine(place):
    engine = open_database(place)
    yield engine
    engine.dispose()


@pytest.fixture
def table():
    metadata = sa.MetaData()
    events = sa.Table("events", metadata, sa.Column("id", sa.Integer, primary_key=True), sa.Column("what", sa.String))
    forbid_changes(events)
    return events


def test_opening_waits_for_a_writer_of_a_file_that_has_no_write_ahead_log_yet(tmp_path):
    writer = sqlite3.connect(tmp_path / "x.db", isolation_level=None, check_same_thread=False)
    writer.execute("CREATE TABLE events (id)")
    writer.execute("BEGIN IMMEDIATE")
    ending = threading.Timer(0.2, writer.execute, ["COMMIT"])
    ending.start()
    open_database(tmp_path / "x.db").dispose()
    ending.join()
    writer.close()


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


@pytest.mark.slow
def test_rows_in_postgresql_are_added_and_never_changed_by_any_client(postgres_database, table):
    import psycopg

    engine = open_database(postgres_database)
    ensure_tables(engine, table.metadata)
    with engine.begin() as tx:
        tx.execute(sa.insert(table).values(id=1, what="a"))
    engine.dispose()
    for statement in (
        "UPDATE events SET what = 'b'",
        "DELETE FROM events",
        "TRUNCATE events",
        "INSERT INTO events VALUES (1, 'b') ON CONFLICT (id) DO UPDATE SET what = 'b'",
    ):
        with (
            psycopg.connect(postgres_database) as foreign,
            pytest.raises(psycopg.IntegrityError, match="events is append-only"),
        ):
            foreign.execute(statement)
    with psycopg.connect(postgres_database) as foreign:
        assert foreign.execute("SELECT * FROM events").fetchall() == [(1, "a")]


def test_a_reader_does_not_wait_for_a_writer(engine, table):
    ensure_tables(engine, table.metadata)
    with engine.begin() as writer:
        writer.execute(sa.insert(table).values(id=1, what="a"))
        with reading(engine) as reader:
            assert reader.execute(sa.select(table)).all() == []
    with reading(engine) as reader:
        assert reader.execute(sa.select(table)).all() == [(1, "a")]


def test_a_reader_sees_one_state_and_cannot_write(engine, table):
    ensure_tables(engine, table.metadata)
    with reading(engine) as reader:
        assert reader.execute(sa.select(table)).all() == []
        with engine.begin() as writer:
            writer.execute(sa.insert(table).values(id=1, what="a"))
        assert reader.execute(sa.select(table)).all() == []
        with pytest.raises((sa.exc.DBAPIError, UnavailableError)):
            reader.execute(sa.insert(table).values(id=2, what="b"))


def test_a_writer_waits_for_the_one_before_and_sees_all_of_it(engine, table):
    ensure_tables(engine, table.metadata)
    found = []

    def count_and_add():
        with engine.begin() as tx:
            last = tx.scalar(sa.select(sa.func.max(table.c.id))) or 0
            time.sleep(0.02)
            tx.execute(sa.insert(table).values(id=last + 1, what="a"))
            found.append(last + 1)

    threads = [threading.Thread(target=count_and_add) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [1, 2, 3, 4, 5, 6]


def test_a_failed_transaction_leaves_nothing(engine, table):
    ensure_tables(engine, table.metadata)

    def fail():
        with engine.begin() as tx:
            tx.execute(sa.insert(table).values(id=1, what="a"))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    with reading(engine) as reader:
        assert reader.execute(sa.select(table)).all() == []


def test_tables_that_are_there_are_not_touched(engine, table):
    ensure_tables(engine, table.metadata)
    with engine.begin() as tx:  # holds the write lock
        ensure_tables(engine, table.metadata)
        tx.execute(sa.insert(table).values(id=1, what="a"))


def test_a_database_that_is_locked_for_too_long_is_told_in_words(tmp_path, monkeypatch):
    monkeypatch.setattr("headrace.core.database.sqlite.BUSY_TIMEOUT_MS", 50)
    first, second = open_database(tmp_path / "x.db"), open_database(tmp_path / "x.db")
    with (
        first.begin(),
        pytest.raises(UnavailableError, match=r"x\.db cannot be used: database is locked"),
        second.begin(),
    ):
        pass
    for engine in (first, second):
        engine.dispose()


@pytest.mark.slow
def test_a_connection_that_the_server_closed_is_told_and_the_next_one_works(postgres_database):
    import psycopg

    engine = open_database(postgres_database)

    def ask_twice():
        with reading(engine) as reader, psycopg.connect(postgres_database, autocommit=True) as admin:
            pid = reader.exec_driver_sql("SELECT pg_backend_pid()").scalar()
            admin.execute("SELECT pg_terminate_backend(%s)", [pid])
            reader.exec_driver_sql("SELECT 1")

    with pytest.raises(UnavailableError, match="terminating connection"):
        ask_twice()
    with reading(engine) as reader:
        assert reader.exec_driver_sql("SELECT 1").scalar() == 1
    engine.dispose()


@pytest.mark.parametrize(
    ("uri", "error", "says"),
    [
        ("mysql://u:geheim@host/db", InvalidInputError, "cannot be in 'mysql://'; allowed: a file, sqlite:///"),
        ("postgres9://u:geheim@host/db", InvalidInputError, "cannot be in 'postgres9://'"),
        ("postgresql://u:geheim@host:port/db", InvalidInputError, "URI cannot be read"),
        ("postgresql://u:geheim@127.0.0.1:1/db", UnavailableError, r"u:\*\*\*@127.0.0.1:1/db cannot be used"),
        ("sqlite://", InvalidInputError, "names no file"),
    ],
)
def test_a_place_that_cannot_be_used_is_named_without_its_password(uri, error, says):
    with pytest.raises(error, match=says) as caught:
        open_database(uri)
    assert "geheim" not in f"{caught.value.message} {caught.value.hint}"


def test_a_uri_is_shown_without_its_password(tmp_path):
    assert redacted("postgresql://u:geheim@host/db") == "postgresql://u:***@host/db"
    assert redacted(tmp_path / "x.db") == str(tmp_path / "x.db")


def test_opening_for_a_look_makes_no_file(tmp_path):
    assert not database_exists(tmp_path / "x.db")
    assert not database_exists(f"sqlite:///{tmp_path}/x.db")
    assert database_exists("postgresql://host/db")
    open_database(f"sqlite:///{tmp_path}/x.db").dispose()
    assert database_exists(tmp_path / "x.db")


def test_a_file_that_is_no_database_is_named(tmp_path):
    (tmp_path / "x.db").write_bytes(b"not a database, by any means" * 100)
    with pytest.raises(CorruptedError, match=r"x\.db is not a readable SQLite database"):
        open_database(tmp_path / "x.db")
