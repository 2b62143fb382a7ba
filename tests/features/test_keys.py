"""Keys: equal keys get equal codes, different keys different ones, a key with a null part none."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.features.executor import keys
from headrace.features.executor.columns import TableColumns

PART = st.lists(st.tuples(st.sampled_from(["a", "b", None]), st.sampled_from([1, 2, 3, None])), max_size=20)
DTYPES = {"name": "string", "number": "int64"}


def table(rows, *, chunks=1):
    whole = pa.table(
        {
            "name": pa.array([name for name, _ in rows], pa.string()),
            "number": pa.array([n for _, n in rows], pa.int64()),
        }
    )
    cut = [whole.slice(part * len(rows) // chunks, (part + 1) * len(rows) // chunks) for part in range(chunks)]
    return TableColumns("t", pa.concat_tables(cut) if chunks > 1 else whole, DTYPES)


@pytest.mark.parametrize("by", [("name",), ("number",), ("name", "number")])
@pytest.mark.parametrize("unused", [0, 16])
@settings(max_examples=40, deadline=None)
@given(left=PART, right=PART)
def test_codes_are_equal_exactly_where_keys_are(by, unused, left, right):
    before, keys._ROWS_PER_UNUSED_KEY = keys._ROWS_PER_UNUSED_KEY, unused
    try:
        codes = keys.encode_keys(table(left), by, table(right), by)
    finally:
        keys._ROWS_PER_UNUSED_KEY = before
    pairs = zip([*left, *right], [*codes.left.tolist(), *codes.right.tolist()], strict=True)
    parts = [0, 1] if len(by) == 2 else [["name", "number"].index(by[0])]
    found = {}
    for row, code in pairs:
        key = tuple(row[part] for part in parts)
        assert (code == -1) == (None in key)
        assert code < codes.n_keys
        assert found.setdefault(key, code) == code
    used = [code for code in found.values() if code >= 0]
    assert len(set(used)) == len(used)


def test_a_table_and_itself_is_encoded_once():
    rows = table([("a", 1), ("b", 2), ("a", 3)])
    codes = keys.encode_keys(rows, ["name"], rows, ["name"])
    assert codes.left is codes.right
    assert codes.left.tolist() == [0, 1, 0]


def test_chunks_do_not_matter():
    rows = [("a", 1), ("b", 2), ("a", 3), (None, 4)]
    assert keys.encode_keys(table(rows, chunks=2), ["name"], table([]), ["name"]).left.tolist() == [0, 1, 0, -1]
