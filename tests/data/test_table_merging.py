"""Upserts, partitions and the change feed, held against a dictionary that does the same."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from headrace.core.errors import DefinitionError, InvalidInputError
from headrace.data import TableStore

MARKS = ["_change_type", "_commit_version", "_commit_timestamp"]


def rows(*pairs):
    keys, values = zip(*pairs, strict=True) if pairs else ((), ())
    return pa.table({"k": pa.array(keys, pa.int64()), "v": pa.array(values, pa.string())})


def pairs(table):
    return [(row["k"], row["v"]) for row in table.to_pylist()]


def append(store, table, transaction):
    with store.writing("t", "append", transaction=transaction) as writer:
        writer.write(table)
        return writer.commit()


def feed(store, since, until=None):
    return [
        (row["_change_type"], row["_commit_version"], row["k"], row["v"])
        for table in store.changes("t", since=since, until=until)
        for row in table.to_pylist()
    ]


class TestUpsert:
    def test_matched_rows_change_where_they_are_and_new_ones_come_behind(self, store):
        store.write("t", rows((1, "a"), (2, "b"), (3, "c")), transaction="1")
        version = store.upsert("t", rows((9, "z"), (2, "B")), keys=["k"], transaction="2")
        assert pairs(store.read("t")) == [(1, "a"), (2, "B"), (3, "c"), (9, "z")]
        assert pairs(store.read("t", version=0)) == [(1, "a"), (2, "b"), (3, "c")]
        assert version.rows == 4
        assert store.upsert("t", rows((2, "other")), keys=["k"], transaction="2") == version

    def test_parts_without_a_match_keep_their_files_and_digests(self, store):
        store.write("t", rows((1, "a")), transaction="1")
        append(store, rows((2, "b")), "2")
        before = store.parts("t")
        store.upsert("t", rows((2, "B")), keys=["k"], transaction="3")
        after = store.parts("t")
        assert after.parts[0] == before.parts[0]
        assert after.log.places[after.parts[0].name] == before.log.places[before.parts[0].name]
        assert after.parts[1].columns["v"] != before.parts[1].columns["v"]
        assert after.parts[1].columns["k"] == before.parts[1].columns["k"]

    def test_rows_that_would_not_change_change_nothing(self, store):
        first = store.write("t", rows((1, "a"), (2, None)), transaction="1")
        again = store.upsert("t", rows((2, None)), keys=["k"], transaction="2")
        assert again.digest == first.digest
        assert feed(store, 0) == []

    def test_the_first_upsert_makes_the_table(self, store):
        assert store.upsert("t", rows((1, "a")), keys=["k"], transaction="1").version == 0
        assert feed(store, None) == [("insert", 0, 1, "a")]

    @pytest.mark.parametrize(
        ("table", "keys", "error", "message"),
        [
            (rows((1, "a"), (1, "b")), ["k"], InvalidInputError, "the key {'k': 1} more than once"),
            (rows((1, "a"), (None, "b")), ["k"], InvalidInputError, "row 1 for table 't' has no value in key column"),
            (rows((1, "a")), ["q"], InvalidInputError, "no column 'q'"),
            (rows((1, "a")), [], InvalidInputError, "name at least one column"),
            (pa.table({"k": [1]}), ["k"], DefinitionError, "column 'v'"),
            (pa.table({"k": [1], "v": ["a"], "w": [1]}), ["k"], DefinitionError, "bring column 'w'"),
            (pa.table({"k": [1], "v": [1]}), ["k"], DefinitionError, "column 'v' is int64, declared string"),
        ],
    )
    def test_rows_that_do_not_fit_are_refused(self, store, table, keys, error, message):
        store.write("t", rows((1, "a")), transaction="1")
        with pytest.raises(error, match=message):
            store.upsert("t", table, keys=keys, transaction="2")
        assert len(store.versions("t")) == 1


class TestPartitions:
    def test_rows_of_the_partition_go_and_the_given_ones_come(self, store):
        store.write("t", rows((1, "a"), (2, "b"), (3, "a")), transaction="1")
        store.overwrite("t", rows((7, "a")), where={"v": "a"}, transaction="2")
        assert pairs(store.read("t")) == [(2, "b"), (7, "a")]
        assert feed(store, 0) == [("delete", 1, 1, "a"), ("delete", 1, 3, "a"), ("insert", 1, 7, "a")]

    def test_a_missing_value_names_a_partition_and_an_empty_table_empties_it(self, store):
        store.write("t", rows((1, None), (2, "b")), transaction="1")
        store.overwrite("t", rows(), where={"v": None}, transaction="2")
        assert pairs(store.read("t")) == [(2, "b")]
        store.overwrite("t", rows(), where={"k": 2, "v": "b"}, transaction="3")
        assert store.read("t").num_rows == 0
        assert store.read("t").column_names == ["k", "v"]
        append(store, rows((5, "c")), "4")
        assert pairs(store.read("t")) == [(5, "c")]

    def test_a_row_outside_of_the_partition_is_named(self, store):
        store.write("t", rows((1, "a")), transaction="1")
        with pytest.raises(InvalidInputError, match="row 1 for table 't' is not of the partition"):
            store.overwrite("t", rows((7, "a"), (8, "b")), where={"v": "a"}, transaction="2")
        with pytest.raises(InvalidInputError, match="column 'k' is int64, which 'x' is not"):
            store.overwrite("t", rows((7, "a")), where={"k": "x"}, transaction="2")


class TestChangeFeed:
    def test_it_tells_what_every_kind_of_commit_did(self, store):
        store.write("t", rows((1, "a"), (2, "b")), transaction="1")
        append(store, rows((3, "c")), "2")
        store.upsert("t", rows((2, "B"), (4, "d")), keys=["k"], transaction="3")
        store.write("t", rows((4, "d"), (2, "B"), (5, "e")), transaction="4")
        store.restore("t", version=0, transaction="5")
        assert feed(store, 0, 2) == [
            ("insert", 1, 3, "c"),
            ("update_preimage", 2, 2, "b"),
            ("update_postimage", 2, 2, "B"),
            ("insert", 2, 4, "d"),
        ]
        assert sorted(feed(store, 2, 3)) == [("delete", 3, 1, "a"), ("delete", 3, 3, "c"), ("insert", 3, 5, "e")]
        assert {(kind, key) for kind, _, key, _ in feed(store, 3)} == {
            ("delete", 4), ("delete", 2), ("delete", 5), ("insert", 1), ("insert", 2)
        }  # fmt: skip
        assert next(iter(store.changes("t", since=0))).column_names == ["k", "v", *MARKS]

    def test_widening_a_column_is_no_change(self, store):
        store.write("t", rows((1, "a")), transaction="1")
        append(store, pa.table({"k": [0.5], "v": ["b"]}), "2")
        assert feed(store, 0) == [("insert", 1, 0.5, "b")]


@pytest.mark.slow
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_sequence_of_operations_gives_what_a_dictionary_gives(data, tmp_path_factory, monkeypatch):
    """Appends, upserts, partitions, compaction, restore; the feed replays to the same rows at every version."""
    monkeypatch.setattr("headrace.data.store.parts.PART_ROWS", 4)
    store = TableStore(tmp_path_factory.mktemp("store"))
    store.write("t", rows(*[(key, "a") for key in range(6)]), transaction="first")
    model = dict.fromkeys(range(6), "a")
    states = {0: dict(model)}
    keys = st.lists(st.integers(0, 12), unique=True, min_size=1, max_size=6)
    for step in range(data.draw(st.integers(1, 5))):
        kind = data.draw(st.sampled_from(["append", "upsert", "overwrite", "compact", "restore"]))
        value = data.draw(st.sampled_from("abc"))
        if kind == "append":
            fresh = [(100 + 10 * step + at, value) for at in range(data.draw(st.integers(0, 6)))]
            version = append(store, rows(*fresh), str(step))
            model |= dict(fresh)
        elif kind == "upsert":
            chosen = [(key, value) for key in data.draw(keys)]
            version = store.upsert("t", rows(*chosen), keys=["k"], transaction=str(step))
            model |= dict(chosen)
        elif kind == "overwrite":
            fresh = [(200 + 10 * step, value)] if data.draw(st.booleans()) else []
            version = store.overwrite("t", rows(*fresh), where={"v": value}, transaction=str(step))
            model = {key: old for key, old in model.items() if old != value} | dict(fresh)
        elif kind == "restore":
            old = data.draw(st.sampled_from(sorted(states)))
            version = store.restore("t", version=old, transaction=str(step))
            model = dict(states[old])
        else:
            store.compact("t")
            version = store.latest("t")
        states[version.version] = dict(model)
        assert pairs(store.read("t")) == list(model.items())
    for version, state in states.items():
        assert pairs(store.read("t", version=version)) == list(state.items())
    replayed = dict(states[0])
    for kind, _, key, value in feed(store, 0):
        if kind in ("delete", "update_preimage"):
            assert replayed.pop(key) == value
        else:
            assert key not in replayed
            replayed[key] = value
    assert replayed == model


def test_an_upsert_over_many_files_touches_those_of_its_keys(store, monkeypatch):
    monkeypatch.setattr("headrace.data.store.parts.PART_ROWS", 100)
    table = pa.table({"k": np.arange(1000), "v": ["a"] * 1000})
    store.write("t", table, transaction="1")
    before = set(store.parts("t").log.files(store.parts("t").log.commits[-1]))
    store.upsert("t", rows((5, "x"), (555, "y")), keys=["k"], transaction="2")
    log = store.parts("t").log
    after = set(log.files(log.commits[-1]))
    assert len(before - after) == len(after - before) == 2
    assert [row for row in pairs(store.read("t")) if row[1] != "a"] == [(5, "x"), (555, "y")]
