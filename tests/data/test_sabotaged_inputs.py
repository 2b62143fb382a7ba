"""Damaged inputs: each is refused, or its bad rows are set aside, with a message that names file, row and column."""

import datetime as dt
import gzip
import io
import json
import zipfile

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from headrace.core.errors import SourceError
from headrace.data import ArrowSource, CsvSource, Deduplicate, JsonLinesSource, ParquetSource, Preparation, ingest

COLUMNS = {"id": "int64", "at": "timestamp", "value": "float64", "name": "string"}
HEADER = "id,at,value,name\n"
LINES = [f"{number},2013-01-01T00:00:{number:02d}Z,{number / 4},n{number}\n" for number in range(60)]
GOOD = HEADER + "".join(LINES)


def with_line(place, line):
    """The file with another line at a place, counted from 1 with the header."""
    lines = [HEADER, *LINES]
    lines[place - 1] = line
    return "".join(lines)


def utf16(text):
    return text.encode("utf-16")


def zstd(content):
    out = pa.BufferOutputStream()
    with pa.CompressedOutputStream(out, "zstd") as packed:
        packed.write(content)
    return out.getvalue().to_pybytes()


def zipped(*members):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in members:
            archive.writestr(name, GOOD)
    return out.getvalue()


def flipped(content, place):
    return content[:place] + bytes([content[place] ^ 0xFF]) + content[place + 1 :]


BIG = "9" * 10_000_000

# name: content, and what the message of the refusal holds beside the file's name.
REFUSED_CSV = {
    "empty": (b"", "is empty; its first line must name the columns"),
    "blank lines alone": (b"\n\r\n\n", "is empty"),
    "a byte order mark alone": (b"\xef\xbb\xbf", "is empty"),
    "UTF-16": (utf16(GOOD), "is UTF-16"),
    "a header in Latin-1": (GOOD.replace("name", "n\xe9", 1).encode("latin-1"), "the header cannot be read"),
    "another separator": (GOOD.replace(",", ";").encode(), "has no column 'id'; its columns are: id;at;value;name"),
    "a missing column": (GOOD.replace("value,", "", 1).encode(), "has no column 'value'"),
    "a misspelt column": (GOOD.replace("value", "values", 1).encode(), "has no column 'value'"),
    "a duplicated header": (GOOD.replace("name", "id", 1).encode(), "names column 'id' more than once (columns 1, 4)"),
    "no header": ("".join(LINES).encode(), "has no column 'id'"),
    "CR alone ends lines": (GOOD.replace("\n", "\r").encode(), "the header cannot be read"),
    "shuffled columns without their header": (
        (HEADER + "".join(",".join(reversed(line.strip().split(","))) + "\n" for line in LINES)).encode(),
        "parses; line 2: column 'id': 'n0' is not int64",
    ),
    "every line cut": ((HEADER + "".join(line[:10] + "\n" for line in LINES)).encode(), "line 2: 2 fields, the header"),
    "zeros": (b"\0" * 4_096, "has no column 'id'"),
    "a quote opened in the header": (GOOD.replace("id", '"id', 1).encode(), "the header holds a quote"),
    "quotes on every line": (
        (HEADER + "".join(line.replace("n", '"n', 1) for line in LINES * 20)).encode(),
        "more than 1,000 lines hold a quote",
    ),
    "Parquet's bytes": (b"PAR1" + bytes(range(256)) * 8, "."),
    "gzip cut short": (gzip.compress(GOOD.encode())[:-20], "cannot be read"),
    "gzip cut by a byte": (gzip.compress(GOOD.encode())[:-1], "cannot be read"),
    "gzip with a flipped bit": (flipped(gzip.compress(GOOD.encode()), 60), "cannot be read"),
    "gzip with another checksum": (flipped(gzip.compress(GOOD.encode()), -8), "cannot be read: CRC check failed"),
    "zstd cut short": (zstd(GOOD.encode())[:-20], "cannot be read"),
    "a zip cut short": (zipped("rows.csv")[:-30], "begins as a zip archive and does not end as one"),
    "a zip with a flipped bit": (flipped(zipped("rows.csv"), 80), "cannot be read"),
    "a zip of two files": (zipped("a.csv", "b.csv"), "holds a.csv, b.csv"),
    "a zip of nothing": (zipped(), "holds nothing"),
}


@pytest.mark.parametrize("damage", REFUSED_CSV)
def test_a_damaged_csv_file_is_refused_with_its_name(tmp_path, store, damage):
    content, message = REFUSED_CSV[damage]
    path = tmp_path / "rows.csv"
    path.write_bytes(content)
    with pytest.raises(SourceError) as caught:
        ingest(CsvSource(path, COLUMNS), store, "t")
    assert str(path) in caught.value.message
    assert message in caught.value.message
    assert store.names() == [], "nothing of a refused file is kept"


# name: content, line, what the reason holds.
SET_ASIDE_CSV = {
    "a line cut": (with_line(7, LINES[5][:20] + "\n"), 7, "2 fields, the header names 4"),
    "a line too long": (with_line(7, LINES[5].replace("\n", ",x\n")), 7, "5 fields, the header names 4"),
    "a half-written file": (GOOD[:-22], 61, "2 fields, the header names 4"),
    "a decimal comma": (with_line(7, '5,2013-01-01T00:00:05Z,"1,25",n5\n'), 7, "column 'value': '1,25' is not float64"),
    "text for a number": (with_line(7, LINES[5].replace("5,", "five,", 1)), 7, "column 'id': 'five' is not int64"),
    "a number beyond 64 bits": (with_line(7, "9" * 19 + LINES[5][1:]), 7, "column 'id': '9999999999999999999' is not"),
    "a number beyond float64": (with_line(7, LINES[5].replace("1.25", "1e999")), 7, "column 'value': '1e999' is not"),
    "a local time": (with_line(7, LINES[5].replace("Z", "")), 7, "column 'at': '2013-01-01T00:00:05' is not timestamp"),
    "a day that never was": (
        with_line(7, LINES[5].replace("01-01", "02-30")),
        7,
        "column 'at': '2013-02-30T00:00:05Z'",
    ),
    "a date of another country": (
        with_line(7, LINES[5].replace("2013-01-01T00:00:05Z", "01/02/2013")),
        7,
        "column 'at': '01/02/2013' is not timestamp",
    ),
    "the year 12013": (with_line(7, LINES[5].replace("2013", "12013")), 7, "column 'at': '12013-01-01"),
    "a line in Latin-1": (with_line(7, LINES[5].replace("n5", "n\xe9")).encode("latin-1"), 7, "not UTF-8"),
    "an open quote": (with_line(7, LINES[5].replace("n5", '"n5')), 7, "a quote neither encloses a field"),
    "a quote inside": (with_line(7, LINES[5].replace("n5", 'n"5')), 7, "a quote neither encloses a field"),
    "an embedded NUL in a number": (
        with_line(7, LINES[5].replace("1.25", "1.2\x005")),
        7,
        "column 'value': '1.2\x005'",
    ),
    "a field of 10 MB": (with_line(7, BIG + LINES[5][1:]), 7, "column 'id': '" + "9" * 60 + "...' is not int64"),
    "the header again": (with_line(7, HEADER), 7, "column 'id': 'id' is not int64"),
    "a separator of another kind": (with_line(7, LINES[5].replace(",", "\t")), 7, "1 field, the header names 4"),
    "another file behind it": (GOOD + "total;60\n", 62, "1 field, the header names 4"),
    "CR in the middle of a line": (with_line(7, LINES[5].replace("1.25", "1\r25")), 7, "column 'value': '1\r25'"),
}


@pytest.mark.parametrize("damage", SET_ASIDE_CSV)
def test_a_bad_line_of_a_csv_file_is_set_aside_and_the_others_stay(tmp_path, store, damage):
    content, line, reason = SET_ASIDE_CSV[damage]
    path = tmp_path / "rows.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    result = ingest(CsvSource(path, COLUMNS), store, "t")
    (row,) = store.read("t_quarantine").to_pylist()
    assert row["source_file"] == str(path)
    assert row["line_number"] == line
    assert reason in row["reason"]
    assert result.version.rows == result.rows_read - 1 >= 59
    assert len(row["raw_line"]) <= 4_096


# name: content, and the rows that come.
TAKEN_CSV = {
    "mixed line ends": (GOOD.replace("\n", "\r\n", 20), 60),
    "a byte order mark": ("\ufeff" + GOOD, 60),
    "shuffled columns": ("\n".join(",".join(reversed(line.split(","))) for line in GOOD.splitlines()) + "\n", 60),
    "blank lines": (GOOD.replace("\n", "\n\n"), 60),
    "no end of the last line": (GOOD.rstrip("\n"), 60),
    "an embedded NUL in a text": (GOOD.replace("n5\n", "n\x005\n"), 60),
    "a text of 10 MB": (GOOD.replace("n5\n", BIG + "\n"), 60),
    "the years 1900 and 9999": (
        GOOD.replace("2013-01-01T00:00:05Z", "1900-01-01T00:00:00Z").replace(
            "2013-01-01T00:00:06Z", "9999-12-31T23:59:59Z"
        ),
        60,
    ),
    "new lines inside quotes": (GOOD.replace("n5\n", '"n\n5\n"\n'), 60),
}


@pytest.mark.parametrize("damage", TAKEN_CSV)
def test_what_only_looks_damaged_is_taken_exactly(tmp_path, store, damage):
    content, rows = TAKEN_CSV[damage]
    path = tmp_path / "rows.csv"
    path.write_bytes(content.encode())
    result = ingest(CsvSource(path, COLUMNS), store, "t")
    assert (result.version.rows, result.rows_quarantined) == (rows, 0)
    assert store.read("t").column("id").to_pylist() == list(range(60))
    if "1900" in damage:
        times = store.read("t").column("at").to_pylist()
        assert times[5:7] == [
            dt.datetime(1900, 1, 1, tzinfo=dt.UTC),
            dt.datetime(9999, 12, 31, 23, 59, 59, tzinfo=dt.UTC),
        ]


def test_nulls_in_keys_are_set_aside(tmp_path, store):
    path = tmp_path / "rows.csv"
    path.write_text(with_line(7, LINES[5][1:]))
    ingest(CsvSource(path, COLUMNS, prepare=Preparation(deduplicate=Deduplicate(["id"]))), store, "t")
    (row,) = store.read("t_quarantine").to_pylist()
    assert (row["line_number"], row["reason"]) == (7, "column 'id' is missing, which no row may lack")


TABLE = pa.table(
    {
        "id": range(1_000),
        "value": [number / 4 for number in range(1_000)],
        "name": [f"n{number}" for number in range(1_000)],
    }
)
TABLE_COLUMNS = {"id": "int64", "value": "float64", "name": "string"}


def parquet():
    out = pa.BufferOutputStream()
    pq.write_table(TABLE, out, row_group_size=100, use_dictionary=False, write_page_checksum=True, compression="none")
    return out.getvalue().to_pybytes()


def arrow(form):
    out = pa.BufferOutputStream()
    with getattr(pa.ipc, f"new_{form}")(out, TABLE.schema) as writer:
        writer.write_table(TABLE, max_chunksize=100)
    return out.getvalue().to_pybytes()


def in_value(content):
    """A flipped byte in the values of the fourth row group's second column."""
    column = pq.ParquetFile(pa.BufferReader(content)).metadata.row_group(3).column(1)
    return flipped(content, column.data_page_offset + column.total_compressed_size - 9)


DAMAGED_BINARY = {
    "Parquet cut short": (ParquetSource, lambda: parquet()[:-200], "is not a whole Parquet file"),
    "Parquet cut by a byte": (ParquetSource, lambda: parquet()[:-1], "is not a whole Parquet file"),
    "Parquet of no bytes": (ParquetSource, lambda: b"", "is not a whole Parquet file"),
    "Parquet without its beginning": (ParquetSource, lambda: parquet()[500:], "rows"),
    "Parquet that is CSV": (ParquetSource, GOOD.encode, "is not a whole Parquet file"),
    "Parquet with a flipped value": (
        ParquetSource,
        lambda: in_value(parquet()),
        r"row group 4 of 10, column 'value' cannot be read",
    ),
    "Parquet with a broken description": (ParquetSource, lambda: flipped(parquet(), -7), "rows"),
    "an Arrow stream cut short": (ArrowSource, lambda: arrow("stream")[:-500], "record batch 10 cannot be read"),
    "an Arrow stream cut between batches": (ArrowSource, lambda: arrow("stream")[:-8], "half-written or cut short"),
    "an Arrow file cut short": (ArrowSource, lambda: arrow("file")[:-500], "no whole Arrow IPC file"),
    "an Arrow file of no bytes": (ArrowSource, lambda: b"", "no whole Arrow IPC file"),
    "Arrow that is CSV": (ArrowSource, GOOD.encode, "rows"),
    "packed Arrow cut short": (ArrowSource, lambda: gzip.compress(arrow("stream"))[:-40], "rows"),
}


@pytest.mark.parametrize("damage", DAMAGED_BINARY)
def test_a_damaged_binary_file_is_refused_with_its_place(tmp_path, store, damage):
    kind, content, message = DAMAGED_BINARY[damage]
    path = tmp_path / "rows"
    path.write_bytes(content())
    with pytest.raises(SourceError, match=message) as caught:
        ingest(kind(path, TABLE_COLUMNS), store, "t")
    assert str(path) in caught.value.message
    assert store.names() == []


OBJECTS = [json.dumps({"id": number, "name": f"n{number}"}) for number in range(60)]
SET_ASIDE_JSON = {
    "a broken line": (OBJECTS[5][:-4], "not JSON: "),
    "an array": ("[5]", "not a JSON object but [5]"),
    "two objects on a line": (OBJECTS[5] * 2, "not JSON: Extra data"),
    "text for a number": ('{"id": "5"}', "column 'id': \"5\" is not int64"),
    "a key twice": ('{"id": 5, "id": 6}', "not JSON: key 'id' comes twice"),
    "an embedded NUL": ('{"id": 5, "name": "n\x005"}', "not JSON: Invalid control character"),
    "a text of 10 MB for a number": (f'{{"id": "{BIG}"}}', "column 'id': \"999"),
    "deep nesting": ('{"id": ' + "[" * 100_000 + "]" * 100_000 + "}", ""),
}


@pytest.mark.parametrize("damage", SET_ASIDE_JSON)
def test_a_bad_line_of_json_is_set_aside_and_the_others_stay(tmp_path, store, damage):
    line, reason = SET_ASIDE_JSON[damage]
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join([*OBJECTS[:5], line, *OBJECTS[6:]]) + "\n")
    result = ingest(JsonLinesSource(path, {"id": "int64", "name": "string"}), store, "t")
    (row,) = store.read("t_quarantine").to_pylist()
    assert (row["source_file"], row["line_number"]) == (str(path), 6)
    assert row["reason"].startswith(reason)
    assert result.version.rows == 59


def test_a_half_written_json_file_sets_its_last_line_aside(tmp_path, store):
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join(OBJECTS)[:-3])
    ingest(JsonLinesSource(path, {"id": "int64"}), store, "t")
    assert store.read("t_quarantine").column("line_number").to_pylist() == [60]


def test_the_corpus_is_as_large_as_is_promised():
    assert len(REFUSED_CSV) + len(SET_ASIDE_CSV) + len(TAKEN_CSV) + len(DAMAGED_BINARY) + len(SET_ASIDE_JSON) >= 70
