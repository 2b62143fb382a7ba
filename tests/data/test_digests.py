"""A digest stands for the content: every bit of it, and nothing of how it is laid out."""

import hashlib
import itertools
import json
import struct

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.data import digest_table
from headrace.data.types import arrow_type

VALUES = {
    "int64": st.integers(-(2**63), 2**63 - 1),
    "float64": st.floats(),
    "bool": st.booleans(),
    "string": st.text(max_size=5),
    "timestamp": st.integers(-(2**62), 2**62),
}


def column(values, dtype):
    if dtype == "timestamp":
        return pa.array(values, pa.int64()).cast(arrow_type(dtype))
    return pa.array(values, arrow_type(dtype))


columns = st.sampled_from(sorted(VALUES)).flatmap(
    lambda dtype: st.tuples(st.just(dtype), st.lists(st.none() | VALUES[dtype], max_size=20))
)


def value(array):
    return digest_table(pa.table({"x": array})).value


@settings(deadline=None)
@given(columns, st.lists(st.integers(0, 20), max_size=4), st.integers(0, 3))
def test_chunks_offsets_and_string_width_do_not_matter(drawn, cuts, before):
    dtype, values = drawn
    whole = column(values, dtype)
    padded = column([*values[:before], *values], dtype).slice(min(before, len(values)))
    edges = [0, *sorted(min(cut, len(values)) for cut in cuts), len(values)]
    chunks = [whole.slice(start, end - start) for start, end in itertools.pairwise(edges)]
    assert value(pa.chunked_array(chunks)) == value(whole) == value(padded)
    assert value(pa.chunked_array([*chunks, whole.slice(0, 0)])) == value(whole)
    if dtype == "string":
        assert value(whole.cast(pa.large_string())) == value(whole)


@settings(deadline=None)
@given(columns, columns)
def test_equal_digests_mean_equal_bits(one, other):
    def bits(drawn):
        dtype, values = drawn
        pack = {"float64": lambda x: struct.pack("<d", x)}.get(dtype, lambda x: x)
        return dtype, [None if item is None else pack(item) for item in values]

    same = value(column(one[1], one[0])) == value(column(other[1], other[0]))
    assert same == (bits(one) == bits(other))


@settings(deadline=None)
@given(columns.filter(lambda drawn: drawn[1]), st.data())
def test_one_changed_value_changes_the_digest(drawn, data):
    dtype, values = drawn
    at = data.draw(st.integers(0, len(values) - 1))
    changed = data.draw((st.none() | VALUES[dtype]).filter(lambda new: repr(new) != repr(values[at])))
    assert value(column(values, dtype)) != value(column([*values[:at], changed, *values[at + 1 :]], dtype))


def test_null_nan_zero_and_minus_zero_are_four_things():
    found = {value(pa.array([x], pa.float64(), from_pandas=False)) for x in (None, float("nan"), 0.0, -0.0)}
    assert len(found) == 4


def test_what_lies_under_a_null_does_not_matter():
    hidden = pa.Array.from_buffers(pa.int64(), 2, [pa.py_buffer(b"\x01"), pa.py_buffer(np.array([5, 99]))])
    assert value(hidden) == value(pa.array([5, None], pa.int64()))


def test_texts_that_join_to_the_same_characters_differ():
    assert value(pa.array(["ab", "c"])) != value(pa.array(["a", "bc"]))


@pytest.mark.parametrize("values", [[], [""], ["", ""], [None], [None, ""]])
def test_columns_without_a_single_character_have_a_digest(values):
    assert len(value(pa.array(values, pa.string()))) == 64


def test_names_and_their_order_count():
    one = pa.table({"a": [1], "b": [1]})
    assert digest_table(one).value != digest_table(one.select(["b", "a"])).value
    assert digest_table(one).value != digest_table(one.rename_columns(["a", "c"])).value
    assert digest_table(one).columns["a"] == digest_table(one).columns["b"]


def test_the_digest_is_what_the_format_says():
    """Recomputed by hand: stored digests stay comparable between releases."""
    content = hashlib.sha256(b"int64:3:" + bytes([0b01000000]) + struct.pack("<2q", 5, -1)).hexdigest()
    text = hashlib.sha256(b"string:2:" + b"\0" + struct.pack("<2q", 1, 2) + "aé".encode()).hexdigest()
    ints = digest_table(pa.table({"x": pa.array([5, None, -1])}))
    assert ints.columns == {"x": content}
    assert digest_table(pa.table({"x": ["a", "é"]})).columns == {"x": text}
    whole = json.dumps([3, [["x", content]]], separators=(",", ":")).encode()
    assert ints.value == hashlib.sha256(whole).hexdigest()
