"""What is written in a stream is there whole after the commit, and its parts do not depend on the batches."""

import itertools
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from headrace.core.errors import DefinitionError, InvalidInputError, NotFoundError
from headrace.data import TableStore, digest_table
from headrace.data.digests import PART_ROWS, chained, digest_part

GOLDEN = Path(__file__).parent / "golden" / "tables_format_1"


def ints(*values):
    return pa.table({"x": pa.array(values, pa.int64())})


def append(store, table, transaction, name="t"):
    with store.writing(name, "append", transaction=transaction) as writer:
        writer.write(table)
        return writer.commit()


class TestStreams:
    @settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(cuts=st.lists(st.integers(0, 1000), max_size=6))
    def test_batches_leave_no_trace(self, cuts, tmp_path_factory, monkeypatch):
        monkeypatch.setattr("headrace.data.store.parts.PART_ROWS", 100)
        monkeypatch.setattr("headrace.data.digests.PART_ROWS", 100)
        whole = pa.table({"x": np.arange(1000), "text": pa.array(np.arange(1000)).cast(pa.string())})
        store = TableStore(tmp_path_factory.mktemp("store"))
        edges = [0, *sorted(cuts), 1000]
        with store.writing("t", transaction="1") as writer:
            for start, end in itertools.pairwise(edges):
                writer.write(whole.slice(start, end - start))
            version = writer.commit()
        assert version.digest == digest_table(whole).value
        assert store.read("t").combine_chunks() == whole.combine_chunks()
        assert sum(batch.num_rows for batch in store.scan("t", columns=["text"])) == 1000

    def test_nothing_shows_before_the_commit_and_nothing_stays_without_it(self, store):
        store.write("t", ints(1), transaction="1")
        with store.writing("t", transaction="2") as writer:
            writer.write(ints(2))
            assert store.read("t").to_pylist() == [{"x": 1}]
        assert len(store.versions("t")) == 1
        store.write("t", ints(3), transaction="3")
        assert not (store.root / ".staging").exists()
        assert len(list((store.root / "t").glob("*.parquet"))) == 2

    def test_a_repeated_transaction_is_told_before_anything_is_written(self, store):
        first = append(store, ints(1), "monday")
        with store.writing("t", "append", transaction="monday") as writer:
            assert writer.made == first
            writer.write(ints(2))
            assert writer.commit() == first
        assert store.read("t").num_rows == 1

    def test_an_append_costs_its_own_digest(self, store):
        first = store.write("t", ints(1, 2), transaction="1")
        second = append(store, ints(3), "2")
        assert second.digest == chained([first.digest, digest_part(ints(3)).value])
        assert second.rows == 3
        assert append(store, ints(), "3").digest == second.digest, "no rows, nothing new"
        assert [row["x"] for row in store.read("t").to_pylist()] == [1, 2, 3]

    def test_the_first_append_makes_the_table(self, store):
        assert append(store, ints(1), "1").digest == digest_table(ints(1)).value

    def test_a_stream_of_which_nothing_was_written_has_no_columns(self, store):
        with store.writing("t", transaction="1") as writer, pytest.raises(DefinitionError, match="nothing was written"):
            writer.commit()
        assert store.names() == []

    def test_later_batches_have_the_columns_of_the_first(self, store):
        with store.writing("t", transaction="1") as writer:
            writer.write(ints(1))
            with pytest.raises(DefinitionError, match="brings column 'y'"):
                writer.write(pa.table({"x": [1], "y": [2]}))
            with pytest.raises(DefinitionError, match="column 'x'"):
                writer.write(pa.table({"z": [1]}).select([]))

    @pytest.mark.slow
    def test_a_large_table_has_parts_of_fixed_size(self, store):
        rows = 2 * PART_ROWS + 5
        table = pa.table({"x": np.arange(rows)})
        version = store.write("t", table, transaction="1")
        assert [part.rows for part in store.parts("t").parts] == [PART_ROWS, PART_ROWS, 5]
        assert version.digest == digest_table(table).value
        assert [batch.num_rows for batch in store.scan("t")] == [PART_ROWS, PART_ROWS, 5]


class TestEvolution:
    def test_a_new_column_is_null_in_rows_from_before(self, store):
        store.write("t", ints(1), transaction="1")
        append(store, pa.table({"y": ["a"], "x": [2]}), "2")
        assert store.read("t").to_pylist() == [{"x": 1, "y": None}, {"x": 2, "y": "a"}]
        assert store.read("t", version=0).to_pylist() == [{"x": 1}]
        assert store.read("t", columns=["y"]).to_pylist() == [{"y": None}, {"y": "a"}]

    def test_int64_widens_to_float64_where_every_value_stays_what_it_is(self, store):
        store.write("t", ints(1, 2**53), transaction="1")
        append(store, pa.table({"x": [0.5]}), "2")
        assert store.read("t").column("x").to_pylist() == [1.0, 2.0**53, 0.5]
        append(store, ints(7), "3")
        assert store.read("t").column("x").to_pylist()[-1] == 7.0
        assert store.read("t", version=0).schema.field("x").type == pa.int64()
        store.write("u", ints(2**53 + 1), transaction="1")
        with pytest.raises(DefinitionError, match="does not fit"):
            append(store, pa.table({"x": [0.5]}), "2", name="u")

    @pytest.mark.parametrize(
        ("rows", "message"),
        [
            (pa.table({"y": ["a"]}), "lack its column 'x'"),
            (pa.table({"x": ["1"], "y": ["a"]}), "column 'x' of table 't' is int64, the rows to append have string"),
            (pa.table({"x": [True], "y": ["a"]}), "the rows to append have bool"),
            (pa.table({"x": [1], "y": [1]}), "column 'y' of table 't' is string"),
            (pa.table({"x": [1], "y": ["a"], "X": [1]}), "differ in case alone"),
        ],
    )
    def test_what_loses_something_is_refused_and_nothing_is_written(self, store, rows, message):
        store.write("t", pa.table({"x": [1], "y": ["a"]}), transaction="1")
        with pytest.raises(DefinitionError, match=message):
            append(store, rows, "2")
        assert len(store.versions("t")) == 1

    def test_a_replace_may_change_anything(self, store):
        store.write("t", ints(1), transaction="1")
        store.write("t", pa.table({"x": ["a"], "z": [True]}), transaction="2")
        assert store.read("t").to_pylist() == [{"x": "a", "z": True}]

    def test_other_readers_of_delta_see_the_same_rows_and_types(self, store):
        import polars as pl

        store.write("t", ints(1), transaction="1")
        append(store, pa.table({"x": [0.5], "y": ["a"]}), "2")
        append(store, pa.table({"x": [2.5], "y": ["b"], "z": [True]}), "3")
        store.upsert("t", pa.table({"x": [0.5], "y": ["c"], "z": [False]}), keys=["x"], transaction="4")
        seen = pl.read_delta(str(store.root / "t")).sort("x")
        assert seen.rows() == [(0.5, "c", False), (1.0, None, None), (2.5, "b", True)]
        assert seen.rows() == [tuple(row.values()) for row in store.read("t").sort_by("x").to_pylist()]


class TestTimeTravel:
    def test_a_time_names_the_version_that_was_the_newest_then(self, store):
        store.write("t", ints(1), transaction="1")
        append(store, ints(2), "2")
        first, second = (record.at for record in store.history("t"))
        assert store.read("t", at=second).num_rows == 2
        assert store.find("t", at=first).version == (0 if first < second else 1)
        with pytest.raises(NotFoundError, match="had no version at"):
            store.read("t", at=first - timedelta(seconds=1))
        with pytest.raises(InvalidInputError, match="has no zone"):
            store.read("t", at=datetime(2026, 1, 1))  # noqa: DTZ001  that it has none is the point
        with pytest.raises(InvalidInputError, match="not by both"):
            store.read("t", version=0, at=datetime.now(UTC))

    def test_a_clock_that_went_back_does_not_change_the_order_of_versions(self, store, monkeypatch):
        store.write("t", ints(1), transaction="1")
        append(store, ints(2), "2")
        log = store.parts("t").log
        later = log.commits[0].at + timedelta(hours=1)
        object.__setattr__(log.commits[0], "at", later)
        assert store.find("t", at=later).version == 1
        with pytest.raises(NotFoundError):
            store.find("t", at=later - timedelta(minutes=1))

    def test_history_tells_how_versions_came_to_be(self, store):
        store.write("t", ints(1), transaction="1", lineage={"source": "a.csv", "rows": 1})
        store.upsert("t", ints(2), keys=["x"], transaction="2")
        store.overwrite("t", ints(2), where={"x": 2}, transaction="3")
        told = store.history("t")
        assert [record.operation for record in told] == ["write", "upsert", "overwrite"]
        assert told[0].lineage == {"source": "a.csv", "rows": 1}
        assert [record.details for record in told] == [{}, {"keys": ["x"]}, {"where": {"x": 2}}]


def test_tables_of_the_first_format_are_read_and_written_on(store, tmp_path):
    import shutil

    shutil.copytree(GOLDEN, store.root)
    assert [version.rows for version in store.versions("events")] == [3, 2]
    assert store.read("events", version=0).to_pylist() == [
        {"number": 1, "text": "a"},
        {"number": 2, "text": None},
        {"number": None, "text": "é"},
    ]
    assert store.write("events", ints(1), transaction="monday").version == 0
    more = pa.table({"number": [7.0], "flag": [False]})
    assert append(store, more, "wednesday", "events").rows == 3
    assert str(store.read("events").column("number").to_pylist()) == "[1.5, nan, 7.0]"
    assert store.compact("events").after == 1
    assert store.read("events", version=1).num_rows == 2
