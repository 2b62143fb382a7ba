"""Rows are appended once, matched by key, and read from where the last load ended; large sources in bounded memory."""

import random
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from headrace.core.errors import DefinitionError, SourceError
from headrace.data import (
    Deduplicate,
    Load,
    LocalTime,
    ParquetSource,
    Preparation,
    TableStore,
    Watermark,
    ingest,
    ingestion,
)

COLUMNS = {"id": "int64", "v": "string"}
APPEND = Load("append")
UPSERT = Load("upsert", ["id"])


def rows(store, name="t", **options):
    return [tuple(row.values()) for row in store.read(name, **options).to_pylist()]


@pytest.fixture
def small_pieces(monkeypatch):
    """Let a file of a few lines come in several pieces."""
    from headrace.data import csv_chunks

    monkeypatch.setattr(csv_chunks, "HEADER_BYTES", 1)
    monkeypatch.setattr(ingestion, "PIECE_BYTES", 8)


class TestReplace:
    @pytest.mark.usefixtures("small_pieces")
    def test_pieces_make_the_version_that_one_piece_makes(self, csv, store, tmp_path, monkeypatch):
        source = csv("id,v\n" + "".join(f"{number},x{number}\n" for number in range(50)) + "bad,y\n", COLUMNS)
        first = ingest(source, store, "t")
        monkeypatch.setattr(ingestion, "PIECE_BYTES", 1 << 20)
        other = TableStore(tmp_path / "other")
        assert ingest(source, other, "t").version.digest == first.version.digest
        assert (first.rows_read, first.rows_quarantined, first.version.rows) == (51, 1, 50)
        assert rows(store, "t_quarantine") == rows(other, "t_quarantine")

    @pytest.mark.usefixtures("small_pieces")
    def test_the_same_pieces_again_write_nothing(self, csv, store):
        source = csv("id,v\n1,x\n2,y\nbad,z\n3,z\nworse,z\n", COLUMNS)
        first = ingest(source, store, "t")
        again = ingest(source, store, "t")
        assert again.unchanged
        assert again.version == first.version
        assert len(store.versions("t")) == len(store.versions("t_quarantine")) == 1

    @pytest.mark.usefixtures("small_pieces")
    def test_a_source_that_breaks_in_the_middle_leaves_everything_as_it_was(self, csv, store):
        before = ingest(csv("id,v\n1,x\nbad,y\n", COLUMNS), store, "t").version
        broken = csv("id,v\n" + "1,x\n" * 50 + '1,x"\n' * 1_001, COLUMNS)
        with pytest.raises(SourceError, match=r"lines hold a quote"):
            ingest(broken, store, "t")
        assert store.versions("t") == [before]
        assert len(store.versions("t_quarantine")) == 1


class TestAppend:
    def test_another_file_goes_behind_and_the_same_file_nowhere(self, csv, store):
        one = csv("id,v\n1,x\nbad,x\n", COLUMNS, name="one.csv")
        two = csv("id,v\n1,y\nworse,y\n", COLUMNS, name="two.csv")
        assert not ingest(one, store, "t", load=APPEND).unchanged
        assert not ingest(two, store, "t", load=APPEND).unchanged
        for again in (one, two):
            result = ingest(again, store, "t", load=APPEND)
            assert (result.unchanged, result.rows_read) == (True, 0)
        assert rows(store) == [(1, "x"), (1, "y")]
        assert store.read("t_quarantine").num_rows == 2
        assert len(store.versions("t")) == 2

    def test_a_name_for_the_load_is_what_counts(self, csv, store):
        source = csv("id,v\n1,x\n", COLUMNS)
        for name in ("monday", "tuesday", "monday"):
            ingest(source, store, "t", load=Load("append", transaction=name))
        assert len(rows(store)) == 2

    def test_a_source_without_content_to_name_it_needs_a_name(self, store):
        from headrace.data import FlightSource

        with pytest.raises(DefinitionError, match="twice would double its rows"):
            ingest(FlightSource("grpc://127.0.0.1:1", "x"), store, "t", load=APPEND)


class TestUpsert:
    def test_corrected_rows_stay_where_they_were_and_new_ones_come_behind(self, csv, store):
        ingest(csv("id,v\n1,a\n2,b\n3,c\n", COLUMNS), store, "t", load=UPSERT)
        ingest(csv("id,v\n4,d\n2,B\n2,BB\n", COLUMNS), store, "t", load=UPSERT)
        assert rows(store) == [(1, "a"), (2, "BB"), (3, "c"), (4, "d")]
        assert rows(store, version=0) == [(1, "a"), (2, "b"), (3, "c")]

    def test_rows_that_are_there_already_change_nothing(self, csv, store):
        source = csv("id,v\n1,a\n2,b\n", COLUMNS)
        first = ingest(source, store, "t", load=UPSERT)
        again = ingest(source, store, "t", load=UPSERT)
        assert again.version.digest == first.version.digest

    @pytest.mark.parametrize(
        "arguments", [("upsert",), ("append", ["id"]), ("replace", ["id"]), ("upsert", "id")], ids=str
    )
    def test_keys_go_with_upsert_alone(self, arguments):
        with pytest.raises(DefinitionError):
            Load(*arguments)


class TestWatermark:
    TIMES = {"id": "int64", "at": "timestamp", "v": "string"}  # noqa: RUF012

    def source(self, csv, *lines, **options):
        return csv("id,at,v\n" + "".join(f"{line}\n" for line in lines), self.TIMES, **options)

    def test_only_rows_beyond_the_highest_are_loaded_and_a_repeat_does_nothing(self, csv, store):
        load = Load("append", watermark=Watermark("id"))
        first = ["1,2013-01-01T00:00:00Z,a", "2,2013-01-01T00:00:01Z,b"]
        assert ingest(self.source(csv, *first), store, "t", load=load).version.rows == 2
        result = ingest(self.source(csv, *first, "3,2013-01-01T00:00:02Z,c"), store, "t", load=load)
        assert (result.version.rows, result.rows_old, result.rows_read) == (3, 2, 3)
        assert ingest(self.source(csv, *first), store, "t", load=load).unchanged
        assert [row[0] for row in rows(store)] == [1, 2, 3]

    def test_times_survive_and_late_rows_come_by_key(self, csv, store):
        load = Load("upsert", ["id"], watermark=Watermark("at", timedelta(minutes=5)))
        ingest(self.source(csv, "1,2013-01-01T00:00:00Z,a", "2,2013-01-01T00:10:00Z,b"), store, "t", load=load)
        later = self.source(
            csv,
            "1,2013-01-01T00:00:00Z,too late to be seen",
            "2,2013-01-01T00:10:00Z,corrected",
            "3,2013-01-01T00:06:00Z,late",
        )
        for _ in "12":
            result = ingest(later, store, "t", load=load)
            assert (result.rows_old, result.version.rows) == (1, 3)
            assert [row[2] for row in rows(store)] == ["a", "corrected", "late"]
        ingest(self.source(csv, "3,2013-01-01T00:06:00Z,late again"), store, "t", load=load)
        assert [row[2] for row in rows(store)] == ["a", "corrected", "late again"]

    def test_a_row_without_the_value_is_set_aside(self, csv, store):
        load = Load("append", watermark=Watermark("id"))
        result = ingest(self.source(csv, "1,2013-01-01T00:00:00Z,a", ",2013-01-01T00:00:00Z,b"), store, "t", load=load)
        assert (result.version.rows, result.rows_quarantined) == (1, 1)
        reason = store.read("t_quarantine").column("reason")[0].as_py()
        assert reason == "column 'id' is missing, and the watermark needs it"

    def test_it_goes_back_with_a_restored_version_and_is_lost_with_a_replaced_one(self, csv, store):
        load = Load("append", watermark=Watermark("id"))
        one, two = "1,2013-01-01T00:00:00Z,a", "2,2013-01-01T00:00:00Z,b"
        ingest(self.source(csv, one), store, "t", load=load)
        ingest(self.source(csv, one, two), store, "t", load=load)
        store.restore("t", version=0, transaction="back")
        ingest(self.source(csv, one, two, "3,2013-01-01T00:00:00Z,c"), store, "t", load=load)
        assert [row[0] for row in rows(store)] == [1, 2, 3]
        ingest(self.source(csv, one), store, "t")
        assert ingest(self.source(csv, one), store, "t", load=load).rows_old == 0

    def test_the_source_leaves_out_what_it_can(self, store, tmp_path):
        path = tmp_path / "rows.parquet"
        load = Load("append", watermark=Watermark("id", source_column="id"))
        for upto in (1_000, 1_500):
            pq.write_table(pa.table({"id": range(upto)}), path, row_group_size=100)
            result = ingest(ParquetSource(path), store, "t", load=load)
        assert (result.rows_read, result.rows_old, result.version.rows) == (500, 0, 1_500)

    def test_together_with_deduplication(self, csv, store):
        prepare = Preparation(deduplicate=Deduplicate(["v"], "first"))
        load = Load("append", watermark=Watermark("id"))
        lines = ["1,2013-01-01T00:00:00Z,a", "2,2013-01-01T00:00:00Z,a", "3,2013-01-01T00:00:00Z,b"]
        result = ingest(self.source(csv, *lines, prepare=prepare), store, "t", load=load)
        assert (result.rows_duplicate, result.version.rows, result.rows_old) == (1, 2, 0)

    @pytest.mark.parametrize(
        ("mode", "keys", "watermark"),
        [
            ("replace", (), {"column": "id"}),
            ("append", (), {"column": "id", "late": 5}),
            ("upsert", ("id",), {"column": "id", "late": 0}),
            ("append", (), {"column": ""}),
        ],
    )
    def test_a_contradiction_is_refused(self, mode, keys, watermark):
        with pytest.raises(DefinitionError):
            Load(mode, keys, watermark=Watermark(**watermark))

    @pytest.mark.parametrize(
        ("watermark", "message"),
        [
            (Watermark("idd"), "there is no column 'idd'"),
            (Watermark("id", source_column="id"), "cannot leave out rows"),
        ],
    )
    def test_what_does_not_fit_is_told(self, csv, store, watermark, message):
        source = self.source(csv, "1,2013-01-01T00:00:00Z,a")
        ingest(source, store, "t", load=Load("append", watermark=Watermark("id")))
        with pytest.raises(DefinitionError, match=message):
            ingest(source, store, "t", load=Load("append", watermark=watermark))


MEASURE = """
import resource, sys
from pathlib import Path
from headrace.data import CsvSource, LocalTime, ParquetSource, Preparation, TableStore, ingest
columns = {"id": "int64", "at": "string", "x": "float64"}
prepare = Preparation(values={"at": LocalTime("America/New_York", gap="shift")})
store = TableStore(Path(sys.argv[3]))
def one(path, name):
    source = CsvSource(path, columns, prepare=prepare) if path.endswith("csv") else ParquetSource(path)
    return ingest(source, store, name)
one(sys.argv[2], "small")
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
result = one(sys.argv[1], "large")
print(result.version.rows, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_memory_stays_bounded_whatever_the_size_of_the_source(tmp_path, kind):
    """300 MB of CSV, and the same rows as one row group of Parquet a million rows, to Delta."""
    seeded = random.Random(3)
    lines = [f"{number},2013-06-01 12:00:{number % 60:02d},{seeded.random()}\n" for number in range(100_000)]
    block, times = "".join(lines), 60
    small, large = tmp_path / f"small.{kind}", tmp_path / f"large.{kind}"
    if kind == "csv":
        small.write_text("id,at,x\n" + block * 5)
        with large.open("w") as out:
            out.write("id,at,x\n")
            for _ in range(times):
                out.write(block)
    else:
        table = pa.table({"id": range(1_000_000), "x": [0.5] * 1_000_000, "s": ["x" * 20] * 1_000_000})
        pq.write_table(table.slice(0, 300_000), small)
        with pq.ParquetWriter(large, table.schema) as out:
            for _ in range(times // 10):
                out.write_table(table, row_group_size=1_000_000)
    run = subprocess.run(
        [sys.executable, "-c", MEASURE, str(large), str(small), str(tmp_path / "tables")],
        capture_output=True,
        text=True,
        check=True,
    )
    count, grown_kib = map(int, run.stdout.split())
    assert count == times * 100_000
    assert grown_kib < 250_000


INGESTS = """
import sys
from pathlib import Path
from headrace.data import CsvSource, Load, TableStore, Watermark, ingest
import deltalake, polars
store = TableStore(Path(sys.argv[1]))
print("ready", flush=True)
for number in range(int(sys.argv[2]), 10_000):
    source = CsvSource(sys.argv[3], {"id": "int64", "v": "string"})
    lines = "".join(f"{row},x\\n" for row in range(50 * (number + 1))) + "bad,x\\n"
    Path(sys.argv[3]).write_text("id,v\\n" + lines)
    ingest(source, store, "t", load=Load("append", watermark=Watermark("id")))
    print(number, flush=True)
"""


@pytest.mark.slow
def test_a_load_killed_at_any_moment_is_repeated_without_loss_or_double(tmp_path):
    """Every load appends the file's new rows; after each kill the next one begins where the table ends."""
    moments = random.Random(11)
    done = 0
    for turn in range(8):
        process = subprocess.Popen(
            [sys.executable, "-c", INGESTS, str(tmp_path / "tables"), str(done), str(tmp_path / "rows.csv")],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout.readline() == "ready\n"
        time.sleep(moments.uniform(0.2, 0.5 + 0.3 * turn))
        process.send_signal(signal.SIGKILL)
        out, _ = process.communicate(timeout=30)
        told = [int(line) for line in out.split()]
        done = max([done, *(number + 1 for number in told)])
        store = TableStore(tmp_path / "tables")
        if "t" in store.names():
            ids = store.read("t").column("id").to_pylist()
            assert ids == list(range(len(ids)))
            assert len(ids) >= 50 * done
    assert done > 0
    assert store.read("t_quarantine").num_rows >= 1


def test_local_times_of_a_year_are_utc_in_the_table(csv, store):
    source = csv(
        "id,at\n1,2013-07-01 12:00:00\n",
        {"id": "int64", "at": "string"},
        prepare=Preparation(values={"at": LocalTime("America/New_York")}),
    )
    ingest(source, store, "t")
    assert rows(store) == [(1, datetime(2013, 7, 1, 16, tzinfo=UTC))]


def test_progress_says_how_fast_and_how_long_it_takes():
    from headrace.data.pace import Pace

    class Step:
        def advance(self, amount):
            self.done = amount

        def note(self, text):
            self.text = text

    class Piece:
        read_bytes = 250
        rows = 1_000_000

    step, now = Step(), iter([0.0, 0.5, 2.0, 400.0])
    pace = Pace(step, 1_000, lambda: next(now))
    told = []
    for _ in range(3):
        pace.add(Piece())
        told.append(step.text)
    assert told == [
        "1,000,000 rows",
        "2,000,000 rows · 1,000,000 rows/s · 2 s left",
        "3,000,000 rows · 7,500 rows/s · 2 min left",
    ]
