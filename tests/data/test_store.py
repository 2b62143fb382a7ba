"""A table's version holds exactly the bits that were written, for ever; a write happens once or not at all."""

import threading

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from headrace.core.errors import CorruptedError, DefinitionError, InvalidInputError, NotFoundError
from headrace.data import TableStore, digest_table
from headrace.data.commit_log import read_log
from headrace.data.types import arrow_type

BITS = st.integers(-(2**63), 2**63 - 1)


def ints(*values):
    return pa.table({"x": pa.array(values, pa.int64())})


def parquet_file(store, name="t", version=-1):
    log = read_log(store.root / name)
    return store.root / name / log.files(log.commits[version])[0]


class TestContent:
    @settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(rows=st.lists(st.tuples(*[st.none() | kind for kind in (BITS, BITS, BITS, st.text(), st.booleans())])))
    @example(rows=[(0, 0, 0, "\x85", True), (0, 0, 0, "\u2028", True)])  # where str.splitlines ends lines
    def test_every_bit_of_every_type_comes_back(self, rows, tmp_path_factory):
        """float64 is drawn as bits: NaNs with payloads, subnormals and minus zero included."""
        integers, floats, moments, texts, flags = zip(*rows, strict=True) if rows else ([],) * 5
        table = pa.table(
            {
                "int64": pa.array(integers, pa.int64()),
                "float64": pa.array(floats, pa.int64()).view(pa.float64()),
                "timestamp": pa.array(moments, pa.int64()).cast(arrow_type("timestamp")),
                "string": pa.array(texts, pa.string()),
                "bool": pa.array(flags, pa.bool_()),
            }
        )
        store = TableStore(tmp_path_factory.mktemp("store"))
        version = store.write("t", table, transaction="1")
        found = store.read("t")
        assert found.schema == table.schema
        assert digest_table(found).value == digest_table(table).value == version.digest
        assert found.column("int64").to_pylist() == list(integers)
        assert found.column("string").to_pylist() == list(texts)
        assert found.column("float64").combine_chunks().view(pa.int64()).to_pylist() == list(floats)

    def test_narrow_types_widen_and_odd_names_survive(self, store):
        table = pa.table(
            {
                "a b,;{}()=": pa.array([1], pa.int8()),
                "é.x": pa.array([0.5], pa.float32()),
                "": pa.array(["x"]).dictionary_encode(),
            }
        )
        store.write("t", table, transaction="1")
        assert store.read("t").to_pylist() == [{"a b,;{}()=": 1, "é.x": 0.5, "": "x"}]

    @pytest.mark.parametrize(
        ("table", "message"),
        [
            (pa.table({}), "at least one column"),
            (pa.table({"A": [1], "a": [2]}), "differ in case alone"),
            (pa.table([pa.array([1]), pa.array([2])], names=["a", "a"]), "more than once"),
            (pa.table({"a": pa.nulls(2)}), "column 'a' has type null"),
            (pa.table({"a": pa.array([[1]])}), "column 'a' has type list"),
            (pa.table({"a": pa.array([1], pa.uint64())}), "column 'a' has type uint64"),
            (pa.table({"a": pa.array([1], pa.timestamp("us"))}), "column 'a' has type timestamp"),
            (pa.table({"a": pa.array([1], pa.timestamp("ns", "UTC"))}), "lose data"),
        ],
    )
    def test_what_a_table_cannot_hold_is_refused_before_anything_is_written(self, store, table, message):
        with pytest.raises(DefinitionError, match=message):
            store.write("t", table, transaction="1")
        assert store.names() == []

    def test_a_table_without_rows_keeps_its_columns(self, store):
        table = pa.schema([(name, arrow_type(name)) for name in ("int64", "string", "timestamp")]).empty_table()
        store.write("t", table, transaction="1")
        assert store.read("t").schema == table.schema
        assert store.read("t", columns=["string"]).num_rows == 0

    def test_columns_come_in_the_order_asked_for(self, store):
        store.write("t", pa.table({"a": [1], "b": [2], "c": [3]}), transaction="1")
        assert store.read("t", columns=["c", "a"]).to_pylist() == [{"c": 3, "a": 1}]

    @pytest.mark.slow
    @pytest.mark.parametrize("chunk", [997, 50_000, 1_300_001])
    def test_the_order_of_over_a_million_rows_does_not_depend_on_their_chunks(self, store, chunk):
        rows = 1_300_000
        whole = pa.table({"row": np.arange(rows), "text": pa.array(np.arange(rows)).cast(pa.string())})
        parts = pa.concat_tables([whole.slice(at, chunk) for at in range(0, rows, chunk)])
        assert parts.column("row").num_chunks == -(-rows // chunk)
        store.write("t", parts, transaction="1")
        found = store.read("t")
        assert np.array_equal(found.column("row").to_numpy(), np.arange(rows))
        assert found.column("text").combine_chunks() == whole.column("text").combine_chunks()

    @pytest.mark.slow
    def test_the_order_holds_over_the_several_files_of_a_large_version(self, store):
        rows = 3_000_000
        random = np.random.default_rng(0)
        columns = {f"noise_{at}": random.random(rows) for at in range(6)}
        store.write("t", pa.table({"row": np.arange(rows)} | columns), transaction="1")
        log = read_log(store.root / "t")
        assert len(log.files(log.commits[0])) > 1
        found = store.read("t")
        assert np.array_equal(found.column("row").to_numpy(), np.arange(rows))
        assert np.array_equal(found.column("noise_5").to_numpy(), columns["noise_5"])


class TestVersions:
    def test_an_old_version_stays_readable_when_columns_and_rows_change(self, store):
        store.write("t", ints(1, 2), transaction="1")
        store.write("t", pa.table({"y": ["a"]}), transaction="2")
        assert store.read("t", version=0).to_pylist() == [{"x": 1}, {"x": 2}]
        assert store.read("t").to_pylist() == [{"y": "a"}]
        assert [(item.version, item.rows) for item in store.versions("t")] == [(0, 2), (1, 1)]

    def test_a_repeated_transaction_writes_nothing_and_gives_its_first_version(self, store):
        first = store.write("t", ints(1), transaction="monday")
        store.write("t", ints(2), transaction="tuesday")
        assert store.write("t", ints(3), transaction="monday") == first
        assert TableStore(store.root).write("t", ints(3), transaction="monday") == first
        assert len(store.versions("t")) == 2
        assert store.read("t").to_pylist() == [{"x": 2}]

    def test_replace_writes_only_what_is_new(self, store):
        first, written = store.replace("t", ints(1))
        assert written
        assert store.replace("t", ints(1)) == (first, False)
        assert store.replace("t", ints(2))[0].version == 1
        assert store.replace("t", ints(1))[0].version == 2, "the content of a version before the last is new again"

    def test_equal_content_has_equal_digests_in_every_store(self, store, tmp_path):
        other = TableStore(tmp_path / "other")
        chunked = pa.concat_tables([ints(1), ints(2)])
        assert store.write("t", ints(1, 2), transaction="a").digest == other.write("t", chunked, transaction="b").digest

    def test_a_snapshot_names_versions_and_its_digest_the_content(self, store):
        store.write("a", ints(1), transaction="1")
        store.write("b", ints(2), transaction="1")
        before = store.snapshot(["b", "a"])
        store.write("a", ints(1), transaction="2")
        again = store.snapshot(["a", "b"])
        assert again.tables["a"].version == 1
        assert again.digest == before.digest
        store.write("a", ints(3), transaction="3")
        assert store.snapshot(["a", "b"]).digest != before.digest
        assert list(before.to_json()) == ["a", "b"]
        assert before.to_json()["a"] == {"name": "a", "version": 0, "digest": before.tables["a"].digest, "rows": 1}

    @pytest.mark.slow
    def test_versions_behind_a_checkpoint_of_the_log_are_all_there(self, store):
        for number in range(103):
            store.write("t", ints(number), transaction=str(number))
        assert list((store.root / "t" / "_delta_log").glob("*.checkpoint.parquet"))
        assert len(store.versions("t")) == 103
        for number in (0, 1, 98, 99, 100, 102):
            assert store.read("t", version=number).to_pylist() == [{"x": number}]
        assert store.write("t", ints(-1), transaction="0").version == 0


class TestNames:
    @pytest.mark.parametrize("name", ["", "T", "1t", "a/b", "..", "a-b", "a" * 64])
    def test_a_name_that_is_not_allowed_writes_nothing(self, store, name):
        with pytest.raises(InvalidInputError, match="no table name"):
            store.write(name, ints(1), transaction="1")
        assert not store.root.exists()

    def test_what_does_not_exist_is_named_with_the_nearest(self, store):
        store.write("flights", ints(1), transaction="1")
        with pytest.raises(NotFoundError, match="no table 'flihgts'") as caught:
            store.read("flihgts")
        assert caught.value.hint == "did you mean 'flights'?"
        with pytest.raises(NotFoundError, match="has no version 7; it has 0 to 0"):
            store.read("flights", version=7)
        with pytest.raises(NotFoundError, match="has no column 'z'; it has: x"):
            store.read("flights", columns=["z"])
        for ask in (store.versions, store.latest):
            with pytest.raises(NotFoundError, match="it has: flights"):
                ask("weather")

    def test_an_empty_store_has_no_names(self, store):
        assert store.names() == []
        with pytest.raises(NotFoundError, match="it has: none"):
            store.snapshot(["t"])


class TestDamage:
    def test_a_changed_value_is_found_by_the_column_it_is_in(self, store):
        import pyarrow.parquet as pq

        store.write("t", pa.table({"kept": [1, 2], "changed": [3, 4]}), transaction="1")
        pq.write_table(pa.table({"kept": [1, 2], "changed": [3, 5]}), parquet_file(store))
        with pytest.raises(CorruptedError, match="'t' version 0 was altered: column 'changed'") as caught:
            store.read("t")
        assert "ingest the source again" in caught.value.hint
        assert store.read("t", columns=["kept"]).num_rows == 2

    def test_missing_rows_and_swapped_rows_are_found(self, store):
        import pyarrow.parquet as pq

        store.write("t", ints(1, 2), transaction="1")
        for content in (ints(1), ints(2, 1), ints(1, 2, 2)):
            pq.write_table(content, parquet_file(store))
            with pytest.raises(CorruptedError, match="was altered"):
                store.read("t")

    def test_bytes_flipped_anywhere_never_give_other_values(self, store):
        store.write("t", pa.table({"x": np.arange(200), "text": [str(at) for at in range(200)]}), transaction="1")
        whole = store.read("t")
        file = parquet_file(store)
        content = file.read_bytes()
        for at in range(0, len(content), max(1, len(content) // 150)):
            file.write_bytes(content[:at] + bytes([content[at] ^ 0xFF]) + content[at + 1 :])
            try:
                assert store.read("t") == whole
            except CorruptedError:
                continue

    def test_a_file_that_is_gone_or_cut_is_damage(self, store):
        store.write("t", ints(*range(100)), transaction="1")
        file = parquet_file(store)
        file.write_bytes(file.read_bytes()[:200])
        with pytest.raises(CorruptedError, match="cannot be read"):
            store.read("t")
        file.unlink()
        with pytest.raises(CorruptedError, match="cannot be read"):
            store.read("t")

    def test_a_log_that_cannot_be_read_is_damage(self, store):
        store.write("t", ints(1), transaction="1")
        (store.root / "t" / "_delta_log" / f"{0:020d}.json").write_text("{broken")
        with pytest.raises(CorruptedError):
            store.read("t")

    def test_a_version_of_another_program_is_not_vouched_for(self, store):
        from deltalake import write_deltalake

        store.write("t", ints(1), transaction="1")
        write_deltalake(store.root / "t", ints(2), mode="append")
        with pytest.raises(CorruptedError, match="not written by Headrace"):
            store.read("t")


def test_threads_that_write_and_read_at_once_see_whole_versions(store):
    store.write("t", ints(*[0] * 1000), transaction="first")
    failures = []

    def work(writer):
        try:
            for number in range(5):
                store.write("t", ints(*[writer * 10 + number] * 1000), transaction=f"{writer}-{number}")
                assert len(set(store.read("t").column("x").to_pylist())) == 1
        except BaseException as error:  # noqa: BLE001  # a thread's failure is the test's
            failures.append(error)

    threads = [threading.Thread(target=work, args=(writer,)) for writer in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert [item.version for item in store.versions("t")] == list(range(16))
