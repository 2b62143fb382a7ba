"""Hashes of Arrow values: equal values hash alike, however they are stored."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.core.errors import InvalidInputError
from headrace.features.executor.value_hashes import hash_values


@settings(max_examples=40, deadline=None)
@given(
    values=st.lists(st.none() | st.text(max_size=4), max_size=12),
    cut=st.integers(0, 12),
    seed=st.integers(0, 2**64 - 1),
)
def test_hashes_do_not_depend_on_how_arrow_holds_the_values(values, cut, seed):
    plain = pa.array(values, pa.string())
    hashes = hash_values(plain, seed=seed).tolist()
    assert all(hash_ == 0 for hash_, value in zip(hashes, values, strict=True) if value is None)
    halves = [plain[:cut], plain[:0], plain[cut:]]
    forms = [
        plain.cast(pa.large_string()),
        plain.cast(pa.string_view()),
        plain.dictionary_encode(),
        pa.chunked_array(halves),
        pa.chunked_array([half.dictionary_encode() for half in halves]),
    ]
    assert [hash_values(form, seed=seed).tolist() for form in forms] == [hashes] * len(forms)


def test_narrow_integers_and_booleans_hash_as_wide_ones():
    wide = hash_values(pa.array([0, 1, None, -3])).tolist()
    assert hash_values(pa.array([0, 1, None, -3], pa.int8())).tolist() == wide
    assert hash_values(pa.array([False, True, None])).tolist() == wide[:3]
    assert hash_values(pa.chunked_array([], pa.int64())).shape == (0,)
    with pytest.raises(InvalidInputError, match="cannot be hashed"):
        hash_values(pa.array([1.0]))
