"""Hashes: XXH64 on any device, with vectors of an independent implementation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace_kernels.cpu import hashing as cpu
from headrace_kernels.reference import hashing as reference

SEED = 2**63 + 12345
# what the C library gives for the bytes (37 i + 11) % 256, i < length, with the seeds 0 and SEED
VECTORS = {
    0: (0xEF46DB3751D8E999, 0x165426FE379BB532), 1: (0xF592C0C7639C4CB6, 0xCDD922C9007D697C),
    3: (0x22C08528601D4F27, 0x5840330DDCE4882B), 4: (0xFB1E5CF2F1AE4D95, 0xCCB5EB5E7F3AF0B8),
    7: (0x5613AC510496C04E, 0x9225F5439D5ECC3D), 8: (0x57CB2B7521F3E21A, 0xE3D54B7FCC6F7273),
    9: (0xC3F1D09775257B66, 0x5D46F07316EFDB2B), 12: (0x2F53B00266039E64, 0x8C605646AB98257B),
    15: (0x90A9714EB00E8D29, 0x7ABB18AC07E88120), 31: (0xE4A0E629E519A4AE, 0x0357738873C61331),
    32: (0xCC6B8AAADA790B2D, 0xF6BC6554690A7C6D), 33: (0x35EC49850475A832, 0xA7327F19054D84EB),
    40: (0x3B21ED23EEA85C2D, 0xABAD81CFCC921BB2), 63: (0xBF9F0BA3CF95B28A, 0x699BF2A6B061ABE5),
    64: (0x155CCCE4BF32BEFC, 0x8C6DD78DF2B09FED), 100: (0x4826E367566EA023, 0x055D124C6C58D554),
}  # fmt: skip
BACKENDS = pytest.mark.parametrize("backend", [cpu, reference], ids=["cpu", "reference"])
TEXTS = st.lists(st.text(max_size=12) | st.integers(0, 120).map(lambda length: "ab€" * (length // 3)), max_size=12)


def packed(contents: list[bytes], start: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Offsets and bytes as Arrow holds them, after `start` bytes of something else."""
    offsets = np.cumsum([start, *map(len, contents)], dtype=np.int64)
    return offsets, np.frombuffer(b"#" * start + b"".join(contents), dtype=np.uint8).copy()


@BACKENDS
def test_hashes_are_those_of_the_c_library(backend):
    contents = [bytes((37 * at + 11) % 256 for at in range(length)) for length in VECTORS]
    for number, seed in enumerate((0, SEED)):
        found = backend.hash_strings(*packed(contents), seed)
        assert [hex(value) for value in found.tolist()] == [hex(pair[number]) for pair in VECTORS.values()]
    assert backend.hash_strings(*packed([b"a", b"abc"]), 0).tolist() == [0xD24EC4F1A98C6E5B, 0x44BC2CF5AD770999]
    assert backend.hash_integers(np.array([-5]), 7).tolist() == [0xFE97096B8364F004]


@settings(max_examples=40, deadline=None)
@given(texts=TEXTS, start=st.integers(0, 9), seed=st.integers(0, 2**64 - 1))
def test_strings_agree_with_the_reference_wherever_they_begin(texts, start, seed):
    contents = [text.encode() for text in texts]
    compiled = cpu.hash_strings(*packed(contents, start), seed)
    assert compiled.dtype == np.uint64
    assert compiled.tolist() == reference.hash_strings(*packed(contents, start), seed).tolist()
    assert compiled.tolist() == cpu.hash_strings(*packed(contents), seed).tolist()


@settings(max_examples=40, deadline=None)
@given(
    values=st.lists(st.integers(-(2**63), 2**63 - 1) | st.integers(-3, 3), max_size=12),
    seed=st.integers(0, 2**64 - 1),
)
def test_integers_hash_as_their_eight_bytes(values, seed):
    array = np.array(values, dtype=np.int64)
    compiled = cpu.hash_integers(array, seed)
    assert compiled.tolist() == reference.hash_integers(array, seed).tolist()
    contents = [value.to_bytes(8, "little", signed=True) for value in values]
    assert compiled.tolist() == cpu.hash_strings(*packed(contents), seed).tolist()


@BACKENDS
def test_nothing_hashes_to_nothing(backend):
    assert backend.hash_strings(*packed([]), 0).shape == (0,)
    assert backend.hash_integers(np.zeros(0, dtype=np.int64), 0).shape == (0,)


def test_neighbouring_integers_spread_evenly_over_any_power_of_two():
    """Chi-square of 2**16 neighbours over 64 low and 64 high bits: within 6 deviations of what chance gives."""
    hashes = cpu.hash_integers(np.arange(2**16, dtype=np.int64), 0)
    for part in (hashes % np.uint64(64), hashes >> np.uint64(58)):
        counts = np.bincount(part.astype(np.int64), minlength=64)
        chi_square = float(((counts - 1024) ** 2 / 1024).sum())
        assert abs(chi_square - 63) < 6 * np.sqrt(2 * 63)
