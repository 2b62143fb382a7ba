"""Delta and Iceberg tables of other programs come as they stand, any version."""

import datetime as dt
import time

import pyarrow as pa
import pytest
from deltalake import write_deltalake

from headrace.core.errors import DefinitionError, SourceError
from headrace.data import DeltaSource, IcebergSource, ingest

TABLE = pa.table({"id": range(100), "day": [f"d{number % 3}" for number in range(100)], "x": [0.5] * 100})
LOCAL = dt.datetime(2013, 1, 1)  # noqa: DTZ001  # what is refused


def read(source):
    return pa.concat_tables([part.table for part in source.parts()])


class TestDelta:
    @pytest.fixture
    def path(self, tmp_path):
        write_deltalake(tmp_path / "t", TABLE, partition_by=["day"])
        write_deltalake(tmp_path / "t", pa.table({"id": [100], "day": ["d9"], "x": [1.5]}), mode="append")
        return str(tmp_path / "t")

    def test_the_newest_version_comes_with_its_partition_columns(self, path):
        table = read(DeltaSource(path, {"id": "int64", "day": "string"}))
        assert sorted(table.to_pylist(), key=lambda row: row["id"])[100] == {"id": 100, "day": "d9"}
        assert table.num_rows == 101

    def test_an_older_version_comes_by_number_and_by_time(self, path):
        assert read(DeltaSource(path, version=0)).num_rows == 100
        assert read(DeltaSource(path, at=dt.datetime.now(dt.UTC))).num_rows == 101

    def test_rows_beyond_a_bound(self, path):
        assert sorted(read(DeltaSource(path, {"id": "int64"}).beyond("id", 97)).column("id").to_pylist()) == [
            98,
            99,
            100,
        ]

    def test_content_names_the_version(self, path):
        assert (
            DeltaSource(path).content()
            == DeltaSource(path, version=1).content()
            != DeltaSource(path, version=0).content()
        )

    @pytest.mark.parametrize(
        ("options", "message"), [({"version": 7}, "7"), ({"columns": {"idd": "int64"}}, "has no column 'idd'")]
    )
    def test_what_is_not_there_is_told(self, path, options, message):
        with pytest.raises(SourceError, match=message):
            read(DeltaSource(path, **options))

    def test_no_table_is_told_and_none_is_made(self, tmp_path):
        with pytest.raises(SourceError, match="is no Delta table"):
            read(DeltaSource(str(tmp_path / "nothing")))
        assert not (tmp_path / "nothing").exists()

    def test_a_lost_file_is_told(self, path, tmp_path):
        next((tmp_path / "t").glob("day=d9/*.parquet")).unlink()
        with pytest.raises(SourceError, match="version 1 cannot be read"):
            read(DeltaSource(path))

    @pytest.mark.parametrize("options", [{"at": LOCAL}, {"version": 0, "at": dt.datetime.now(dt.UTC)}])
    def test_a_contradiction_is_refused(self, options):
        with pytest.raises(DefinitionError):
            DeltaSource("t", **options)

    def test_it_becomes_a_table_of_the_store(self, path, store):
        assert ingest(DeltaSource(path), store, "t").version.rows == 101


class TestIceberg:
    @pytest.fixture
    def path(self, tmp_path):
        sql = pytest.importorskip("pyiceberg.catalog.sql", reason="needs headrace[sources]")
        warehouse = tmp_path / "warehouse"
        warehouse.mkdir()
        catalog = sql.SqlCatalog("test", uri=f"sqlite:///{tmp_path}/catalog.db", warehouse=f"file://{warehouse}")
        catalog.create_namespace("db")
        table = catalog.create_table("db.t", schema=TABLE.schema)
        table.append(TABLE)
        self.first = table.current_snapshot().snapshot_id
        time.sleep(0.002)
        table.append(pa.table({"id": [100], "day": ["d9"], "x": [1.5]}))
        catalog.engine.dispose()
        return table.location().removeprefix("file://")

    def test_the_current_and_an_older_snapshot_come(self, path):
        assert read(IcebergSource(path, {"id": "int64", "day": "string"})).num_rows == 101
        assert read(IcebergSource(path, {"id": "int64"}, snapshot=self.first)).num_rows == 100
        assert IcebergSource(path).content() != IcebergSource(path, snapshot=self.first).content()

    @pytest.mark.parametrize(
        ("options", "message"),
        [({"columns": {"idd": "int64"}}, "has no column 'idd'"), ({"snapshot": 7}, "7")],
    )
    def test_what_is_not_there_is_told(self, path, options, message):
        with pytest.raises(SourceError, match=message):
            read(IcebergSource(path, **options))

    def test_no_table_is_told(self, tmp_path):
        for place in (tmp_path, tmp_path / "nothing"):
            with pytest.raises(SourceError, match="Iceberg table"):
                read(IcebergSource(place))
