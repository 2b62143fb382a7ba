"""Files are found by path, glob and URI, and unpacked by what they are, not by their name."""

import gzip
import zipfile

import pyarrow as pa
import pyarrow.fs as pafs
import pytest

from headrace.core.errors import SourceError
from headrace.data import CsvSource
from headrace.data.csv_reading import read_csv
from headrace.data.sources.files import find_files
from headrace.data.sources.streams import open_bytes

AB = {"a": "int64", "b": "string"}
TEXT = b"a,b\n1,x\n2,y\n"


def rows(source):
    return read_csv(source).frame.rows()


def zstd(content):
    out = pa.BufferOutputStream()
    with pa.CompressedOutputStream(out, "zstd") as packed:
        packed.write(content)
    return out.getvalue().to_pybytes()


def zipped(tmp_path):
    with zipfile.ZipFile(tmp_path / "z", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("rows.csv", TEXT)
    return (tmp_path / "z").read_bytes()


@pytest.mark.parametrize("kind", ["plain", "gzip", "gzip twice", "zstd", "zip"])
@pytest.mark.parametrize("place", ["local", "store"])
def test_packing_is_read_from_the_first_bytes(tmp_path, kind, place):
    content = {
        "plain": TEXT,
        "gzip": gzip.compress(TEXT),
        "gzip twice": gzip.compress(TEXT[:6]) + gzip.compress(TEXT[6:]),
        "zstd": zstd(TEXT),
        "zip": zipped(tmp_path),
    }[kind]
    (tmp_path / "rows.data").write_bytes(content)
    if place == "local":
        source = CsvSource(tmp_path / "rows.data", AB)
    else:
        source = CsvSource("rows.data", AB, filesystem=pafs.SubTreeFileSystem(str(tmp_path), pafs.LocalFileSystem()))
    assert rows(source) == [(1, "x"), (2, "y")]
    assert source.size() == len(content)
    taken = sum(part.read_bytes for part in source.parts())
    assert taken == len(content) or kind == "zip", "a zip's directory is read before anything else"


class TestPlaces:
    @pytest.fixture
    def folder(self, tmp_path):
        for name in ("2013/01/a.csv", "2013/02/b.csv", "2013/02/c.txt", "2014/01/d.csv"):
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(f"a,b\n1,{path.stem}\n".encode())
        return tmp_path

    @pytest.mark.parametrize(
        ("pattern", "found"),
        [
            ("2013/*/*.csv", ["a", "b"]),
            ("**/*.csv", ["a", "b", "d"]),
            ("201[34]/01/?.csv", ["a", "d"]),
            ("2013/02/c.txt", ["c"]),
        ],
    )
    def test_globs_give_files_in_the_order_of_their_names_everywhere(self, folder, pattern, found):
        system = pafs.SubTreeFileSystem(str(folder), pafs.LocalFileSystem())
        for source in (
            CsvSource(f"{folder}/{pattern}", AB),
            CsvSource(f"file://{folder}/{pattern}", AB),
            CsvSource(pattern, AB, filesystem=system),
        ):
            assert [row[1] for row in rows(source)] == found

    def test_no_match_is_an_error_and_not_an_empty_table(self, folder):
        system = pafs.SubTreeFileSystem(str(folder), pafs.LocalFileSystem())
        for location, where in ((f"{folder}/x*.csv", None), ("x*.csv", system)):
            with pytest.raises(SourceError, match="no file matches"):
                find_files(location, where)

    def test_a_file_whose_name_looks_like_a_glob_is_found(self, tmp_path):
        (tmp_path / "a[1].csv").write_bytes(TEXT)
        assert len(find_files(tmp_path / "a[1].csv")) == 1

    @pytest.mark.parametrize("uri", ["nowhere://bucket/x.csv", "file:///nowhere/x.csv"])
    def test_a_uri_that_leads_nowhere_is_told(self, uri):
        with pytest.raises(SourceError, match="nowhere"):
            find_files(uri)

    def test_a_missing_file_of_a_store_is_told(self, tmp_path):
        system = pafs.SubTreeFileSystem(str(tmp_path), pafs.LocalFileSystem())
        with pytest.raises(SourceError, match=r"x\.csv does not exist"):
            find_files("x.csv", system)

    def test_an_empty_list_is_no_source(self):
        with pytest.raises(SourceError, match="names no file"):
            find_files([])

    def test_content_changes_with_the_files(self, folder):
        source = CsvSource(f"{folder}/**/*.csv", AB)
        before = source.content()
        assert source.content() == before
        (folder / "2014/01/d.csv").write_bytes(b"a,b\n2,d\n")
        assert source.content() != before

    def test_a_source_of_several_files_has_no_single_one(self, folder):
        with pytest.raises(SourceError, match="no single file"):
            CsvSource(f"{folder}/**/*.csv", AB).locate()
        assert CsvSource(f"{folder}/**/*.csv", AB).title() == "3 files"


def test_what_is_peeked_at_is_read_again(tmp_path):
    (tmp_path / "x").write_bytes(b"0123456789")
    with open_bytes(find_files(tmp_path / "x")[0]) as stream:
        assert stream.peek(4) == b"0123"
        assert stream.read(2) == b"01"
        assert stream.read(100) == b"23456789"
        assert stream.read(1) == b""
        assert stream.position() == 10
