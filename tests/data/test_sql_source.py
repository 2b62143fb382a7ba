"""Queries of SQLite and PostgreSQL become typed rows; the databases are real ones."""

import datetime as dt
import sqlite3

import pyarrow as pa
import pytest

from headrace.core.errors import DefinitionError, SourceError
from headrace.data import Decimal, Load, LocalTime, Preparation, SqlSource, Watermark, ingest

pytest.importorskip("adbc_driver_sqlite", reason="needs headrace[sources]")


def read(source, **options):
    return pa.concat_tables([part.table for part in source.parts(**options)])


@pytest.fixture
def database(tmp_path):
    path = tmp_path / "events.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE events (id INTEGER, name TEXT, value REAL)")
        rows = [(number, f"n{number % 3}", number / 2) for number in range(1_000)]
        connection.executemany("INSERT INTO events VALUES (?, ?, ?)", rows)
    connection.close()
    return f"sqlite:///{path}"


class TestSqlite:
    def test_rows_come_typed_in_bounded_pieces(self, database):
        source = SqlSource(database, "SELECT * FROM events ORDER BY id")
        parts = list(source.parts(batch_bytes=5_000))
        assert len(parts) > 2
        table = pa.concat_tables([part.table for part in parts])
        assert table.schema == pa.schema([("id", pa.int64()), ("name", pa.string()), ("value", pa.float64())])
        assert table.column("id").to_pylist() == list(range(1_000))
        assert [line for part in parts for line in part.lines.tolist()] == list(range(1, 1_001))

    def test_parameters_and_bounds_are_the_databases_work(self, database):
        source = SqlSource(database, "SELECT id FROM events WHERE name = ? ORDER BY id;", parameters=["n0"])
        assert read(source).num_rows == 334
        assert read(source.beyond("id", 989)).column("id").to_pylist() == [990, 993, 996, 999]

    def test_a_query_without_rows_gives_the_columns_that_it_can(self, database):
        source = SqlSource(database, "SELECT id FROM events WHERE id < 0", {"id": "int64"})
        assert read(source).num_rows == 0

    @pytest.mark.parametrize(
        ("query", "message"),
        [
            ("SELECT * FROM evnets", "no such table: evnets"),
            ("SELECT idd FROM events", "no such column: idd"),
            ("SELECT CASE WHEN id < 900 THEN id ELSE 'x' END AS v FROM events", "v|type|string"),
        ],
    )
    def test_what_the_database_says_is_told_with_its_name(self, database, query, message):
        with pytest.raises(SourceError, match=rf"events\.db: .*({message})"):
            read(SqlSource(database, query, {"v": "int64"} if "CASE" in query else None))

    def test_a_database_that_is_not_there_is_not_made(self, tmp_path):
        with pytest.raises(SourceError, match=r"there is no database file .*nowhere\.db"):
            read(SqlSource(f"sqlite:///{tmp_path}/nowhere.db", "SELECT 1"))
        assert not (tmp_path / "nowhere.db").exists()

    def test_a_watermark_reads_new_rows_alone(self, database, store):
        source = SqlSource(database, "SELECT * FROM events ORDER BY id")
        load = Load("append", watermark=Watermark("id", source_column="id"))
        assert ingest(source, store, "events", load=load).rows_read == 1_000
        path = database.removeprefix("sqlite:///")
        with sqlite3.connect(path) as connection:
            connection.execute("INSERT INTO events VALUES (1000, 'new', 1.0)")
        connection.close()
        again = ingest(source, store, "events", load=load)
        assert (again.rows_read, again.version.rows, again.unchanged) == (1, 1_001, False)
        assert ingest(source, store, "events", load=load).unchanged


class TestDeclaration:
    @pytest.mark.parametrize(("uri", "query"), [("mysql://x/y", "SELECT 1"), ("sqlite:///x.db", " ")])
    def test_a_contradiction_is_refused(self, uri, query):
        with pytest.raises(DefinitionError):
            SqlSource(uri, query)

    def test_no_message_shows_a_password(self):
        source = SqlSource("postgresql://me:secret@127.0.0.1:1/db", "SELECT 1")
        assert "secret" not in repr(source) + source.title()
        with pytest.raises(SourceError) as caught:
            read(source)
        assert "secret" not in str(caught.value)


@pytest.fixture(scope="module")
def server(postgres_server):
    from adbc_driver_postgresql import dbapi

    with dbapi.connect(postgres_server) as connection, connection.cursor() as cursor:
        cursor.execute(
            "CREATE TABLE trips AS SELECT i AS id, i * 0.25 AS price_n, (i * 0.25)::float8 AS price,"
            " 'n' || i AS name,"
            " '2013-03-10 00:00:00+00'::timestamptz + i * interval '1 minute' AS at,"
            " '2013-03-10 01:00:00'::timestamp + i * interval '1 minute' AS local, i % 2 = 0 AS even"
            " FROM generate_series(1, 20000) AS i"
        )
        connection.commit()
    return postgres_server


@pytest.mark.slow
class TestPostgres:
    COLUMNS = {  # noqa: RUF012
        "id": "int64", "price_n": "string", "price": "float64", "name": "string", "at": "timestamp", "local": "string",
        "even": "bool",
    }  # fmt: skip

    def test_every_type_comes_as_declared_in_bounded_pieces(self, server):
        source = SqlSource(server, "SELECT * FROM trips ORDER BY id", self.COLUMNS)
        parts = list(source.parts(batch_bytes=200_000))
        assert len(parts) > 3
        assert sum(part.rows for part in parts) == 20_000
        first = parts[0].table.slice(0, 1).to_pylist()[0]
        assert first == {
            "id": 1, "price_n": "0.25", "price": 0.25, "name": "n1", "even": False,
            "at": dt.datetime(2013, 3, 10, 0, 1, tzinfo=dt.UTC), "local": "2013-03-10 01:01:00.000000",
        }  # fmt: skip

    def test_numeric_and_local_times_are_prepared_and_gaps_set_aside(self, server, store):
        source = SqlSource(
            server,
            "SELECT id, price_n, local FROM trips WHERE id <= 120 ORDER BY id",
            {"id": "int64", "price_n": "string", "local": "string"},
            prepare=Preparation(
                values={"price_n": Decimal(2), "local": LocalTime("America/New_York")}, rename={"price_n": "cents"}
            ),
        )
        result = ingest(source, store, "trips")
        assert (result.rows_read, result.rows_quarantined) == (120, 60)
        table = store.read("trips")
        assert table.column("cents")[0].as_py() == 25
        assert table.column("local")[-1].as_py() == dt.datetime(2013, 3, 10, 7, 0, tzinfo=dt.UTC)
        reasons = store.read("trips_quarantine").column("reason").to_pylist()
        assert "column 'local': '2013-03-10 02:00:00.000000' is not a time" in reasons[0]

    def test_a_bound_is_the_databases_work(self, server):
        source = SqlSource(server, "SELECT id FROM trips WHERE even = $1 ORDER BY id", parameters=[True])
        assert read(source.beyond("id", 19_996)).column("id").to_pylist() == [19_998, 20_000]

    def test_errors_name_the_server(self, server):
        with pytest.raises(SourceError, match=r"postgresql://tester@127\.0\.0\.1.*relation .*does not exist"):
            read(SqlSource(server, "SELECT * FROM tirps"))
