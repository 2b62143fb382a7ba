"""A diff says rows, columns and distributions, as counted by hand."""

import json
import math

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from headrace.core.errors import InvalidInputError, NotFoundError
from headrace.data import TableStore
from headrace.data.diff import diff_versions
from headrace.data.diff.columns import move_of


def compare(store, before, after, **options):
    return diff_versions(store, store.find("t", version=before), store.find("t", version=after), **options)


def table(*rows):
    schema = pa.schema([("k", pa.int64()), ("v", pa.string()), ("x", pa.float64())])
    return pa.Table.from_pylist([dict(zip("kvx", row, strict=True)) for row in rows], schema)


class TestRows:
    def test_by_key_rows_are_added_removed_and_changed(self, store):
        store.write("t", table((1, "a", 0.5), (2, "b", None), (3, "c", 1.0)), transaction="1")
        store.write("t", table((3, "C", 1.0), (1, "a", 0.5), (2, "b", 2.0), (9, "z", 0.0)), transaction="2")
        found = compare(store, 0, 1, keys=["k"]).rows
        assert (found.before, found.after, found.added, found.removed, found.changed) == (3, 4, 1, 0, 2)
        assert found.changed_columns == {"v": 1, "x": 1}
        whole = compare(store, 0, 1).rows
        assert (whole.added, whole.removed, whole.changed) == (3, 2, None)

    def test_order_is_no_difference(self, store):
        store.write("t", table((1, "a", math.nan), (2, "b", None)), transaction="1")
        store.write("t", table((2, "b", None), (1, "a", math.nan)), transaction="2")
        assert compare(store, 0, 1).is_same
        assert compare(store, 0, 1, keys=["k"]).is_same

    def test_a_row_that_comes_twice_counts_twice(self, store):
        store.write("t", table((1, "a", 0.0), (1, "a", 0.0)), transaction="1")
        store.write("t", table((1, "a", 0.0)), transaction="2")
        assert compare(store, 0, 1).rows.removed == 1
        with pytest.raises(InvalidInputError, match="version 0: 2 rows share their key"):
            compare(store, 0, 1, keys=["k"])

    def test_parts_that_both_versions_have_are_not_read(self, store):
        store.write("t", table((1, "a", 0.0)), transaction="1")
        with store.writing("t", "append", transaction="2") as writer:
            writer.write(table((2, "b", 0.0)))
            writer.commit()
        log = store.parts("t").log
        first = log.files(log.commits[0])[0]
        (store.root / "t" / first).write_bytes(b"PAR1")
        from headrace.data.diff.versions import _rows

        one, other = store.parts("t", version=0), store.parts("t", version=1)
        assert _rows(one, other, ["k", "v"], (), (1, 2)).added == 1

    @settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(rows=st.tuples(*[st.dictionaries(st.integers(0, 9), st.sampled_from("abc"), max_size=8) for _ in range(2)]))
    def test_counts_are_those_of_sets(self, rows, tmp_path_factory):
        store = TableStore(tmp_path_factory.mktemp("store"))
        for number, content in enumerate(rows):
            store.write("t", table(*[(k, v, 0.0) for k, v in content.items()]), transaction=str(number))
        old, new = rows
        keyed, whole = compare(store, 0, 1, keys=["k"]).rows, compare(store, 0, 1).rows
        assert keyed.added == len(new.keys() - old.keys())
        assert keyed.removed == len(old.keys() - new.keys())
        assert keyed.changed == sum(old[k] != new[k] for k in old.keys() & new.keys())
        assert whole.added == len(new.items() - old.items())
        assert whole.removed == len(old.items() - new.items())


class TestColumns:
    def test_columns_come_go_and_change_their_type(self, store):
        store.write("t", pa.table({"k": [1, 2], "gone": ["a", "b"], "n": [1, 2]}), transaction="1")
        store.write("t", pa.table({"k": [1, 2], "new": [True, None], "n": ["1", "2"]}), transaction="2")
        found = compare(store, 0, 1)
        assert found.columns_added == (("new", "bool"),)
        assert found.columns_removed == (("gone", "string"),)
        assert found.columns_retyped == (("n", "int64", "string"),)
        assert (found.rows.added, found.rows.removed) == (0, 0)
        assert not found.is_same
        assert json.loads(json.dumps(found.to_json()))["columns"]["retyped"] == {"n": ["int64", "string"]}
        with pytest.raises(InvalidInputError, match="key 'n' is no column"):
            compare(store, 0, 1, keys=["n"])

    def test_the_largest_move_comes_first(self, store):
        random = np.random.default_rng(0)
        still, moved = random.normal(size=1000), random.normal(size=1000)
        store.write("t", pa.table({"still": still, "moved": moved, "same": still}), transaction="1")
        store.write("t", pa.table({"still": still + 0.1, "moved": moved + 10, "same": still}), transaction="2")
        found = compare(store, 0, 1)
        assert [move.name for move in found.moves] == ["moved", "still"]
        assert found.moves[0].shift == pytest.approx(10 / np.ptp(np.quantile(moved, [0.05, 0.95])), rel=0.02)
        assert found.moves[0].mean == pytest.approx((moved.mean(), moved.mean() + 10))

    def test_categories_move_by_their_shares(self):
        move = move_of(
            pl.Series("c", ["a"] * 6 + ["b"] * 4), pl.Series("c", ["a"] * 3 + ["z"] * 5 + [None] * 2), "string"
        )
        assert move.null_share == (0.0, 0.2)
        assert move.shift == pytest.approx(0.5 * (abs(0.6 - 3 / 8) + 0.4 + 5 / 8))
        assert [value for value, _, _ in move.categories] == ["z", "b", "a"]
        assert (move.new_categories, move.lost_categories) == (1, 1)

    @pytest.mark.parametrize(
        ("before", "after", "dtype", "shift"),
        [
            ([1.0, 1.0], [2.0, 2.0], "float64", math.inf),
            ([1.0, 1.0], [1.0, 1.0, 1.0], "float64", 0.0),
            ([None, None], [1.0], "float64", None),
            ([], ["a"], "string", None),
            ([math.nan, math.inf], [math.nan], "float64", None),
            ([True, False], [True, True], "bool", 0.5),
        ],
    )
    def test_columns_without_a_spread_or_without_values(self, before, after, dtype, shift):
        types = {"float64": pl.Float64, "string": pl.String, "bool": pl.Boolean}
        move = move_of(pl.Series("c", before, types[dtype]), pl.Series("c", after, types[dtype]), dtype)
        assert move.shift == shift
        json.dumps(move.to_json(), allow_nan=False)

    def test_two_tables_may_be_compared(self, store):
        store.write("t", table((1, "a", 0.0)), transaction="1")
        store.write("u", table((1, "a", 0.0)), transaction="1")
        assert diff_versions(store, store.latest("t"), store.latest("u")).is_same


def test_a_vacuumed_version_cannot_be_compared(store):
    from datetime import timedelta

    store.write("t", table((1, "a", 0.0)), transaction="1")
    store.write("t", table((2, "a", 0.0)), transaction="2")
    store.vacuum("t", keep=timedelta(0))
    with pytest.raises(NotFoundError, match="was vacuumed"):
        compare(store, 0, 1)
