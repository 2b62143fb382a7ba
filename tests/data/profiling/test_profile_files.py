"""Files are profiled as they are; a CSV column that turns out to be text is read as text and that is said."""

import gzip

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from headrace.core.errors import CorruptedError, NotFoundError, SourceError
from headrace.data import CsvSource, TableStore
from headrace.data.profiling import files, profile_file, profile_source, profile_table

TABLE = pa.table({"n": np.arange(5_000), "s": ["a", None] * 2_500})


def test_parquet_arrow_and_folders(tmp_path):
    pq.write_table(TABLE, tmp_path / "x.parquet", row_group_size=700)
    with pa.OSFile(str(tmp_path / "x.arrow"), "wb") as out, pa.ipc.new_file(out, TABLE.schema) as writer:
        writer.write_table(TABLE, max_chunksize=900)
    with pa.OSFile(str(tmp_path / "x.arrows"), "wb") as out, pa.ipc.new_stream(out, TABLE.schema) as writer:
        writer.write_table(TABLE, max_chunksize=900)
    (tmp_path / "folder").mkdir()
    pq.write_table(TABLE.slice(0, 2_000), tmp_path / "folder" / "a.parquet")
    pq.write_table(TABLE.slice(2_000), tmp_path / "folder" / "b.parquet")
    found = [profile_file(tmp_path / name).profile for name in ("x.parquet", "x.arrow", "x.arrows", "folder")]
    assert found[0].source == "x.parquet"
    assert all(other.columns == found[0].columns for other in found[1:])
    assert (found[0].rows, found[0].column("n").unique, found[0].column("s").nulls) == (5_000, True, 2_500)


def test_csv_types_are_found_and_nulls_understood(tmp_path):
    text = "n,x,s,t,flag\n1,0.5,NA,2013-01-01T05:00:00Z,true\n2,,b,2013-01-01T06:00:00Z,false\n"
    (tmp_path / "x.csv").write_text(text)
    (tmp_path / "x.tsv.gz").write_bytes(gzip.compress(text.replace(",", "\t").encode()))
    plain, packed = profile_file(tmp_path / "x.csv"), profile_file(tmp_path / "x.tsv.gz")
    assert [column.dtype for column in plain.profile.columns] == ["int64", "float64", "string", "timestamp", "bool"]
    assert [column.nulls for column in plain.profile.columns] == [0, 1, 1, 0, 0]
    assert plain.notes == packed.notes == ()
    assert plain.profile.columns == packed.profile.columns


def test_a_value_that_breaks_the_first_blocks_promise_makes_its_column_text(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "CSV_BLOCK_BYTES", 4_096)
    rows = [f"{at},{at * 0.5},\n" for at in range(3_000)]
    rows[2_500] = "2500,many,late\n"
    (tmp_path / "x.csv").write_text("n,x,y\n" + "".join(rows))
    found = profile_file(tmp_path / "x.csv")
    assert [column.dtype for column in found.profile.columns] == ["int64", "string", "string"]
    assert found.profile.column("x").distinct == 3_000
    assert found.profile.column("y").nulls == 2_999
    assert len(found.notes) == 2
    assert any("'many'" in note and "column 'x'" in note for note in found.notes)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("missing.csv", None, "there is no file"),
        ("x.xlsx", b"PK", "no ending that says what it is"),
        ("x.parquet", b"PAR1 half", "cannot be read"),
        ("x.arrow", b"half", "cannot be read"),
        ("empty.csv", b"", "cannot be read"),
        ("wide.csv", b"a,b\n1,2,3\n", "cannot be read"),
    ],
)
def test_files_that_cannot_be_read_are_named(tmp_path, name, content, message):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(SourceError, match=message) as raised:
        profile_file(tmp_path / name)
    assert name in str(raised.value)


def test_files_of_one_folder_have_one_schema(tmp_path):
    with pytest.raises(SourceError, match="holds no"):
        profile_file(tmp_path)
    pq.write_table(TABLE, tmp_path / "a.parquet")
    pq.write_table(TABLE.drop_columns("s"), tmp_path / "b.parquet")
    with pytest.raises(SourceError, match="differ"):
        profile_file(tmp_path)


def test_a_declared_source_is_profiled_as_a_table_would_get_it(tmp_path):
    (tmp_path / "x.csv").write_text("n,s\n1,a\n2,b\nmany,c\n4,\n")
    found = profile_source(CsvSource(tmp_path / "x.csv", {"n": "int64", "s": "string"}), name="x", threads=1)
    assert (found.profile.rows, found.profile.column("n").max, found.profile.column("s").nulls) == (3, 4, 1)
    assert found.notes[0].startswith("1 row does not read as declared")
    assert "'many'" in found.notes[0]


def test_a_stored_version_is_profiled_and_checked(tmp_path):
    store = TableStore(tmp_path / "tables")
    store.write("rows", TABLE, transaction="1")
    store.write("rows", TABLE.slice(0, 10), transaction="2")
    store.write("none", TABLE.slice(0, 0), transaction="1")
    assert profile_table(store, "rows").rows == 10
    first = profile_table(store, "rows", version=0)
    assert (first.rows, first.source) == (5_000, "rows, version 0")
    assert profile_table(store, "none").column("s").nulls == 0
    with pytest.raises(NotFoundError, match="no version 7"):
        profile_table(store, "rows", version=7)
    damaged = max((tmp_path / "tables" / "rows").glob("*.parquet"), key=lambda path: path.stat().st_size)
    pq.write_table(TABLE.slice(1), damaged)
    with pytest.raises(CorruptedError):
        profile_table(store, "rows", version=0)
