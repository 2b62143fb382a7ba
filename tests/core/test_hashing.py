"""Digests that agree everywhere, and buckets that stick."""

import math
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.core.hashing import (
    BUCKETS,
    canonical_json,
    digest_bytes,
    digest_file,
    digest_json,
    finite_or_none,
    stable_bucket,
)


def test_a_file_has_the_digest_of_its_bytes(tmp_path):
    (tmp_path / "f").write_bytes(b"abc")
    assert digest_file(tmp_path / "f") == digest_bytes(b"abc")
    assert digest_bytes(b"abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # FIPS 180-2, B.1


def test_the_order_of_keys_does_not_matter():
    assert canonical_json({"b": 1, "a": [1.5, None, "é"]}) == '{"a":[1.5,null,"é"],"b":1}'.encode()
    assert digest_json({"b": 1, "a": 2}) == digest_json({"a": 2, "b": 1})


def test_json_refuses_what_it_cannot_carry():
    with pytest.raises(ValueError, match="JSON"):
        canonical_json({"x": math.nan})
    assert finite_or_none(math.inf) is None
    assert finite_or_none(0.1) == 0.1


@given(st.text(), st.text())
def test_a_bucket_is_in_range_and_the_same_each_time(key, salt):
    assert 0 <= stable_bucket(key, salt) < BUCKETS
    assert stable_bucket(key, salt) == stable_bucket(key, salt)


def test_buckets_are_the_same_in_another_process():
    keys = ["a", "flight-1", "ü"]
    code = f"from headrace.core.hashing import stable_bucket; print([stable_bucket(k, 's') for k in {keys!r}])"
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert other.strip() == str([stable_bucket(key, "s") for key in keys])


def test_buckets_fill_evenly():
    taken = sum(stable_bucket(f"key-{n}", "salt") < BUCKETS // 10 for n in range(20_000)) / 20_000
    assert abs(taken - 0.1) < 0.01  # four standard errors are 0.0085
