"""Files and Delta tables behind S3's protocol, over HTTP from a server process of its own."""

import gzip
import re

import polars as pl
import pytest

from headrace.core.errors import SourceError
from headrace.data import CsvSource, DeltaSource, JsonLinesSource, ParquetSource, ingest

KEY = {"access_key": "any", "secret_key": "any", "region": "us-east-1"}
COLUMNS = {"id": "int64", "v": "string"}


@pytest.fixture
def bucket(s3_bucket):
    return s3_bucket


def put(system, path, content):
    with system.open_output_stream(path, compression=None) as out:
        out.write(content)


def rows(store):
    return sorted(tuple(row.values()) for row in store.read("t").to_pylist())


def test_packed_files_by_a_glob(bucket, store):
    for day in (1, 2):
        put(bucket, f"shop/orders/2026-01-0{day}.csv.gz", gzip.compress(f"id,v\n{day},a{day}\nx,bad\n".encode()))
    put(bucket, "shop/orders/notes.txt", b"nothing")
    done = ingest(CsvSource("s3://shop/orders/2026-*.csv.gz", COLUMNS), store, "t")
    assert rows(store) == [(1, "a1"), (2, "a2")]
    assert done.rows_quarantined == 2
    files = store.read("t_quarantine").column("source_file").to_pylist()
    assert files == ["shop/orders/2026-01-01.csv.gz", "shop/orders/2026-01-02.csv.gz"]


def test_json_lines_and_parquet(bucket, store):
    put(bucket, "shop/one.jsonl", b'{"id": 1, "v": "a"}\n{"id": 2, "v": "b"}\n')
    ingest(JsonLinesSource("s3://shop/one.jsonl", COLUMNS), store, "t")
    assert rows(store) == [(1, "a"), (2, "b")]
    with bucket.open_output_stream("shop/two.parquet") as out:
        pl.DataFrame({"id": [3, 4], "v": ["c", "d"], "w": [0, 0]}).write_parquet(out)
    source = ParquetSource("shop/two.parquet", COLUMNS, filesystem=bucket)
    ingest(source, store, "t")
    assert rows(store) == [(3, "c"), (4, "d")]
    assert source.size() == bucket.get_file_info("shop/two.parquet").size


def test_an_object_that_changed_is_told_by_its_content(bucket):
    put(bucket, "shop/changing.csv", b"id,v\n1,a\n")
    source = CsvSource("s3://shop/changing.csv", COLUMNS)
    before = source.content()
    assert source.content() == before
    put(bucket, "shop/changing.csv", b"id,v\n1,a\n2,b\n")
    assert source.content() != before


@pytest.mark.usefixtures("bucket")
def test_a_delta_table(store, s3_server):
    storage = {"AWS_ENDPOINT_URL": s3_server, "AWS_ALLOW_HTTP": "true", "AWS_S3_ALLOW_UNSAFE_RENAME": "true"}
    pl.DataFrame({"id": [1, 2], "v": ["a", "b"]}).write_delta("s3://shop/lake", storage_options=storage)
    pl.DataFrame({"id": [3], "v": ["c"]}).write_delta("s3://shop/lake", mode="append", storage_options=storage)
    ingest(DeltaSource("s3://shop/lake", COLUMNS, storage=storage), store, "t")
    assert rows(store) == [(1, "a"), (2, "b"), (3, "c")]
    ingest(DeltaSource("s3://shop/lake", COLUMNS, version=0, storage=storage), store, "t")
    assert rows(store) == [(1, "a"), (2, "b")]


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("s3://shop/none.csv", "s3://shop/none.csv does not exist"),
        ("s3://shop/none/*.csv", "no file matches s3://shop/none/"),
        ("s3://nowhere/x.csv", "s3://nowhere/x.csv"),
    ],
)
@pytest.mark.usefixtures("bucket")
def test_what_is_not_there_is_named(store, path, says):
    with pytest.raises(SourceError, match=re.escape(says)):
        ingest(CsvSource(path, COLUMNS), store, "t")
    assert store.names() == []
