"""A CSV file read piece by piece gives what it gives in one piece, in bounded memory."""

import gzip
import random
import subprocess
import sys

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.core.errors import SourceError
from headrace.data import CsvSource, csv_chunks, csv_columns, csv_lines
from headrace.data.csv_reading import read_csv

AB = {"a": "int64", "b": "string"}


@pytest.fixture
def small_start(monkeypatch):
    """Let the first piece be as small as the others."""
    monkeypatch.setattr(csv_chunks, "HEADER_BYTES", 1)


def outcome(source, batch_bytes):
    try:
        read = read_csv(source, batch_bytes=batch_bytes)
    except SourceError as error:
        return error.message
    return read.frame.rows(), read.rejected.to_pylist(), read.rows


@pytest.mark.usefixtures("small_start")
@settings(deadline=None, max_examples=200)
@given(
    st.lists(st.text(st.sampled_from('12,"x\n\ré '), max_size=12), max_size=14),
    st.integers(1, 40),
    st.sampled_from(["\n", "\r\n"]),
    st.booleans(),
)
def test_where_pieces_are_cut_changes_nothing(tmp_path_factory, lines, batch_bytes, ending, ended):
    path = tmp_path_factory.mktemp("csv") / "rows.csv"
    text = ending.join(["a,b", *lines, "7,good"]) + (ending if ended else "")
    path.write_bytes(text.encode())
    source = CsvSource(path, AB, line_column="line")
    assert outcome(source, batch_bytes) == outcome(source, 1 << 20)


numbers = st.one_of(
    st.sampled_from(
        ["", "NA", " ", "  7", "1e400", "inf", "-inf", "nan", "1_0", "0x1", ".5", "+3", "007", "1e5", "\t"]
    ),
    st.integers(-(2**65), 2**65).map(str),
    st.floats().map(repr),
    st.text(st.sampled_from("0123456789.e+- "), max_size=6),
)
others = st.one_of(
    st.sampled_from(["true", "FALSE", "0", "1", " true", "2013-03-10T06:59:59Z", "2013-03-10T06:59:59+01:00"]),
    st.sampled_from(["0000-01-01T00:00:00Z", "2013-02-30T00:00:00Z", "2013-03-10T06:59:5Z ", "9999-12-31T23:59:59Z"]),
    st.just(""),
)


@settings(deadline=None, max_examples=200)
@given(st.lists(st.tuples(numbers, numbers, others, others, others), min_size=1, max_size=4))
def test_parsing_at_once_gives_what_reading_value_by_value_gives(tmp_path_factory, rows):
    columns = {"i": "int64", "f": "float64", "b": "bool", "t": "timestamp", "s": "string"}
    path = tmp_path_factory.mktemp("csv") / "rows.csv"
    path.write_text("".join(",".join(row) + "\n" for row in [tuple(columns), *rows, ("1", "1", "1", "", "")]))
    source = CsvSource(path, columns)
    at_once = repr(outcome(source, 1 << 20))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(csv_columns, "_at_once", lambda *_: None)
        assert repr(outcome(source, 1 << 20)) == at_once


@settings(deadline=None, max_examples=200)
@given(st.lists(st.text(st.sampled_from('1,"x\n\ré'), max_size=10), max_size=10), st.booleans(), st.integers(1, 40))
def test_plain_lines_are_told_apart_as_the_splitter_does(tmp_path_factory, lines, carriage, cached_bytes):
    path = tmp_path_factory.mktemp("csv") / "rows.csv"
    path.write_bytes("".join(f"{line}{chr(13) * carriage}\n" for line in ["a,b", *lines, "7,good"]).encode())
    source = CsvSource(path, AB)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(csv_lines, "CACHED_BYTES", cached_bytes)
        plain = outcome(source, 1 << 20)
        patch.setattr(csv_chunks, "count_plain_lines", lambda *_: None)
        assert outcome(source, 1 << 20) == plain


@pytest.mark.usefixtures("small_start")
def test_an_open_quote_is_stray_only_when_the_rest_of_the_file_says_so(csv):
    body = "".join(f"{number},x\n" for number in range(2_000))
    source = csv(f'a,b\n1,"open\n{body}', AB)
    read = read_csv(source, batch_bytes=100)
    assert read.rejected["line_number"].to_pylist() == [2]
    assert read.frame.height == 2_000
    closed = csv(f'a,b\n1,"open\n{body}"\n', AB)
    assert read_csv(closed, batch_bytes=100).frame["b"].to_list() == [f"open\n{body}"]


def test_a_quoted_field_that_would_need_too_much_memory_is_a_stray_quote(csv, monkeypatch):
    monkeypatch.setattr(csv_chunks, "RECORD_BYTES_MAX", 1_000)
    monkeypatch.setattr(csv_chunks, "HEADER_BYTES", 1)
    body = "".join(f"{number},x\n" for number in range(2_000))
    read = read_csv(csv(f'a,b\n1,"open\n{body}', AB), batch_bytes=100)
    assert read.rejected["line_number"].to_pylist() == [2]
    assert read.frame.height == 2_000


def test_a_line_without_end_is_refused_and_not_held(csv, monkeypatch):
    monkeypatch.setattr(csv_chunks, "RECORD_BYTES_MAX", 100_000)
    source = csv("a,b\n1,x\n2," + "y" * 300_000, AB)
    with pytest.raises(SourceError, match=r"rows\.csv: line 3 is longer than"):
        read_csv(source, batch_bytes=1_000)


def test_stray_quotes_are_counted_over_all_pieces(csv):
    source = csv("a,b\n" + '1,x"y\n' * 1_001 + "1,x\n", AB)
    with pytest.raises(SourceError, match=r"more than 1,000 lines"):
        read_csv(source, batch_bytes=500)


def test_pieces_say_where_they_come_from_and_how_far_they_went(csv):
    source = csv("a,b\n" + "".join(f'{number},"x\ny"\n' for number in range(20_000)) + "bad,z\n", AB)
    parts = list(source.parts(batch_bytes=50_000))
    assert len(parts) > 3
    assert sum(part.read_bytes for part in parts) == source.size()
    lines = [line for part in parts for line in part.lines.tolist()]
    assert lines == list(range(2, 40_002, 2))
    assert parts[-1].rejected["line_number"].to_pylist() == [40_002]
    assert {part.file for part in parts} == {str(source.path)}
    assert all(part.table.num_rows == len(part.lines) for part in parts)


MEASURE = """
import resource, sys
from headrace.data import CsvSource
source = CsvSource(sys.argv[1], {"a": "int64", "b": "string", "x": "float64"})
next(CsvSource(sys.argv[2], {"a": "int64", "b": "string", "x": "float64"}).parts())  # libraries loaded and warm
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
rows = sum(part.rows for part in source.parts(batch_bytes=4 << 20))
print(rows, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.mark.slow
@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
def test_memory_stays_bounded_whatever_the_size_of_the_file(tmp_path, packed):
    """100 MB in pieces of 4 MB grow the process by less than 100 MB: measured, about 60."""
    seeded = random.Random(3)
    block = "".join(f'{number},"{seeded.random():.9f}",{seeded.random()}\n' for number in range(50_000)).encode()
    small, large = tmp_path / "small.csv", tmp_path / "large.csv"
    small.write_bytes(b"a,b,x\n" + block)
    times = 100_000_000 // len(block)
    with gzip.open(large, "wb", compresslevel=1) if packed else large.open("wb") as out:
        out.write(b"a,b,x\n")
        for _ in range(times):
            out.write(block)
    run = subprocess.run(
        [sys.executable, "-c", MEASURE, str(large), str(small)], capture_output=True, text=True, check=True
    )
    rows, grown_kib = map(int, run.stdout.split())
    assert rows == times * 50_000
    assert grown_kib < 100_000


def test_several_files_are_read_in_their_order(tmp_path):
    for name, value in (("2.csv", 2), ("1.csv", 1), ("10.csv", 3)):
        (tmp_path / name).write_text(f"a,b\n{value},x\n")
    assert read_csv(CsvSource(f"{tmp_path}/*.csv", AB)).frame["a"].to_list() == [1, 3, 2]
    listed = CsvSource([tmp_path / "2.csv", tmp_path / "1.csv"], AB)
    assert read_csv(listed).frame["a"].to_list() == [2, 1]
    assert listed.size() == 16


def test_a_frame_of_no_rows_has_the_declared_types(csv):
    schema = read_csv(csv("a,b\n", AB)).frame.schema
    assert schema == {"a": pl.Int64(), "b": pl.String()}
