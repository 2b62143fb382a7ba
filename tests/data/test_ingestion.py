"""A file becomes a table's next version; what did not parse is in the quarantine table before the version is there."""

from pathlib import Path

import polars as pl
import pytest

from headrace.core.errors import DefinitionError, SourceError
from headrace.data import CsvSource, ingest

COLUMNS = {"a": "int64", "b": "string"}


def test_a_clean_file_becomes_a_table_without_quarantine(csv, store):
    result = ingest(csv("a,b\n2,x\n1,\n", COLUMNS), store, "t")
    assert (result.rows_read, result.rows_quarantined, result.quarantine, result.unchanged) == (2, 0, None, False)
    assert result.version == store.latest("t")
    assert store.read("t").to_pylist() == [{"a": 2, "b": "x"}, {"a": 1, "b": None}]
    assert store.names() == ["t"]


def test_rows_that_do_not_parse_are_kept_aside_with_where_they_came_from(csv, store):
    source = csv('a,b\n1,x\nbad,y\n3,"q\nq"\n4\n', COLUMNS)
    result = ingest(source, store, "t")
    assert (result.rows_read, result.rows_quarantined, result.quarantine) == (4, 2, "t_quarantine")
    assert store.read("t").column("a").to_pylist() == [1, 3]
    assert store.read("t_quarantine").to_pylist() == [
        {
            "source_file": str(source.path),
            "line_number": 3,
            "raw_line": "bad,y",
            "reason": "column 'a': 'bad' is not int64",
        },
        {
            "source_file": str(source.path),
            "line_number": 6,
            "raw_line": "4",
            "reason": "1 field, the header names 2",
        },
    ]


def test_ingesting_the_same_file_again_writes_nothing(csv, store):
    source = csv("a,b\n1,x\nbad,y\n", COLUMNS)
    first = ingest(source, store, "t")
    again = ingest(source, store, "t")
    assert again.unchanged
    assert again.version == first.version
    assert len(store.versions("t")) == len(store.versions("t_quarantine")) == 1


def test_a_corrected_file_empties_the_quarantine_and_keeps_its_history(csv, store):
    ingest(csv("a,b\n1,x\nbad,y\n", COLUMNS), store, "t")
    result = ingest(csv("a,b\n1,x\n2,y\n", COLUMNS), store, "t")
    assert result.quarantine is None
    assert store.read("t").num_rows == 2
    assert store.read("t_quarantine").num_rows == 0
    assert store.read("t_quarantine", version=0).num_rows == 1
    assert store.read("t", version=0).num_rows == 1


def test_a_header_alone_becomes_a_table_without_rows(csv, store):
    ingest(csv("a,b\n", COLUMNS), store, "t")
    assert store.read("t").schema.names == ["a", "b"]
    assert store.read("t").num_rows == 0


@pytest.mark.parametrize(
    "content",
    ["", "a,c\n1,x\n", "a,b,a\n1,x,2\n", "a,b\nbad,x\n"],
    ids=["empty", "missing column", "repeated column", "nothing parses"],
)
def test_a_file_that_is_refused_leaves_the_table_as_it_was(csv, store, content):
    before = ingest(csv("a,b\n1,x\n", COLUMNS), store, "t").version
    with pytest.raises(SourceError):
        ingest(csv(content, COLUMNS), store, "t")
    assert store.versions("t") == [before]
    assert store.names() == ["t"]


def test_a_missing_file_leaves_no_table(store, tmp_path):
    with pytest.raises(SourceError, match="there is no file"):
        ingest(CsvSource(tmp_path / "x.csv", COLUMNS), store, "t")
    assert store.names() == []


class TestPrepare:
    def test_gives_the_columns_of_the_table_row_for_row(self, csv, store):
        source = csv(
            "a,b\n1,x\nbad,y\n3,z\n",
            COLUMNS,
            line_column="line",
            prepare=lambda rows: rows.select("line", double=pl.col("a") * 2),
        )
        ingest(source, store, "t")
        assert store.read("t").to_pylist() == [{"line": 2, "double": 2}, {"line": 4, "double": 6}]

    def test_a_schema_picks_orders_and_widens_columns(self, csv, store):
        ingest(csv("a,b\n1,x\n", COLUMNS), store, "t", schema={"b": "string", "a": "float64"})
        assert store.read("t").to_pylist() == [{"b": "x", "a": 1.0}]

    @pytest.mark.parametrize(
        ("prepare", "message"),
        [
            (lambda rows: rows.select("aa"), "prepare of 't' failed: ColumnNotFoundError"),
            (lambda rows: rows.with_columns(c=pl.col("b").cast(pl.Int64)), "prepare of 't' failed: Invalid"),
            (lambda _: {}["key"], "prepare of 't' failed: KeyError: 'key'"),
            (lambda rows: rows.collect(), "gave a DataFrame; it takes and gives a LazyFrame"),
            (lambda rows: rows.with_columns(c=pl.date(2013, 1, 1)), "table 't': column 'c' has type date32"),
            (lambda rows: rows.with_columns(c=pl.datetime(2013, 1, 1)), "table 't': column 'c' has type timestamp"),
        ],
    )
    def test_what_it_does_wrong_is_told_with_the_table(self, csv, store, prepare, message):
        with pytest.raises(DefinitionError, match=message):
            ingest(csv("a,b\n1,x\n", COLUMNS, prepare=prepare), store, "t")
        assert store.names() == []

    def test_an_error_of_the_project_keeps_its_own_words(self, csv, store):
        def prepare(_rows):
            raise SourceError("airports.csv is missing")

        with pytest.raises(SourceError, match=r"^airports.csv is missing$"):
            ingest(csv("a,b\n1,x\n", COLUMNS, prepare=prepare), store, "t")

    @pytest.mark.parametrize(
        ("schema", "message", "hint"),
        [
            ({"aa": "int64"}, "column 'aa' is declared but the prepared table does not have it", "did you mean 'a'?"),
            ({"b": "int64"}, "column 'b' is string, declared int64", None),
        ],
    )
    def test_a_schema_that_does_not_fit_is_told_by_column(self, csv, store, schema, message, hint):
        with pytest.raises(DefinitionError, match=message) as caught:
            ingest(csv("a,b\n1,x\n", COLUMNS), store, "t", schema=schema)
        assert caught.value.hint == hint


def test_progress_is_told_in_bytes_and_rows(csv, store):
    notes = []

    class Step:
        def __enter__(self):
            return self

        def __exit__(self, *_):
            return None

        def note(self, text):
            notes.append(text)

        def advance(self, amount):
            notes.append(("+", amount))

    class Recorder:
        def step(self, title, *, total):
            notes.append((title, total))
            return Step()

    source = csv("a,b\n1,x\n", COLUMNS)
    ingest(source, store, "t", progress=Recorder())
    assert notes == [("ingest t", 8), ("+", 8), "1 rows"]


def test_an_ingest_imports_no_pandas(csv, tmp_path):
    """Where pyarrow imports it, that takes 0.2 s and loses a Ctrl-C that meets it."""
    import subprocess
    import sys

    path = csv("a,b\n1,x\nbad,y\n", COLUMNS).path
    script = (
        "import sys; from pathlib import Path; from headrace.data import CsvSource, TableStore, ingest\n"
        f"store = TableStore(Path({str(tmp_path / 'other')!r}))\n"
        f"ingest(CsvSource({str(path)!r}, {COLUMNS!r}), store, 't'); store.read('t')\n"
        "sys.exit('pandas' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_reading_a_table_needs_no_delta_library(csv, store):
    import subprocess
    import sys

    ingest(csv("a,b\n1,x\n", COLUMNS), store, "t")
    script = (
        "import sys; from pathlib import Path; from headrace.data import TableStore\n"
        f"store = TableStore(Path({str(Path(store.root))!r})); store.read('t'); store.snapshot(['t'])\n"
        "sys.exit('deltalake' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
