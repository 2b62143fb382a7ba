"""XXH64, a 64-bit hash of bytes, as its specification describes it.

Reference: "xxHash fast digest algorithm" (xxhash_spec.md of the xxHash project), section on XXH64. Words are
little-endian and arithmetic is modulo 2**64.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from headrace_kernels.dtypes import Bytes, Hashes, Integers, Starts

_PRIME_1 = 0x9E3779B185EBCA87
_PRIME_2 = 0xC2B2AE3D27D4EB4F
_PRIME_3 = 0x165667B19E3779F9
_PRIME_4 = 0x85EBCA77C2B2AE63
_PRIME_5 = 0x27D4EB2F165667C5
_MODULUS = 2**64


def hash_integers(values: Integers, seed: int) -> Hashes:
    """Hash each integer: XXH64 of its 8 bytes in two's complement, little-endian.

    Args:
        values: int64[n], C-contiguous; no nulls.
        seed: in [0, 2**64).

    Returns:
        uint64[n]; empty for no values.
    """
    return np.array([_xxh64(int(value).to_bytes(8, "little", signed=True), seed) for value in values], np.uint64)


def hash_strings(offsets: Starts, data: Bytes, seed: int) -> Hashes:
    """Hash each string: XXH64 of its UTF-8 bytes.

    Args:
        offsets: int64[n + 1], ascending, where each string's bytes begin; they need not begin at 0. What stands under
            a null is hashed like any other bytes: callers put their own answer there.
        data: uint8[n_bytes], C-contiguous.
        seed: in [0, 2**64).

    Returns:
        uint64[n]; empty for no strings.
    """
    pairs = pairwise(offsets)
    return np.array([_xxh64(data[start:end].tobytes(), seed) for start, end in pairs], np.uint64)


def _xxh64(content: bytes, seed: int) -> int:
    at = 0
    if len(content) >= 32:
        lanes = [seed + _PRIME_1 + _PRIME_2, seed + _PRIME_2, seed, seed - _PRIME_1]
        while at + 32 <= len(content):
            lanes = [_round(lane, _word(content, at + 8 * number, 8)) for number, lane in enumerate(lanes)]
            at += 32
        mixed = sum(_rotated(lane, bits) for lane, bits in zip(lanes, (1, 7, 12, 18), strict=True))
        for lane in lanes:
            mixed = ((mixed ^ _round(0, lane)) * _PRIME_1 + _PRIME_4) % _MODULUS
    else:
        mixed = seed + _PRIME_5
    mixed = (mixed + len(content)) % _MODULUS
    while at + 8 <= len(content):
        mixed = _rotated(mixed ^ _round(0, _word(content, at, 8)), 27) * _PRIME_1 + _PRIME_4
        at += 8
    if at + 4 <= len(content):
        mixed = _rotated(mixed % _MODULUS ^ _word(content, at, 4) * _PRIME_1 % _MODULUS, 23) * _PRIME_2 + _PRIME_3
        at += 4
    for byte in content[at:]:
        mixed = _rotated(mixed % _MODULUS ^ byte * _PRIME_5 % _MODULUS, 11) * _PRIME_1
    return _avalanche(mixed % _MODULUS)


def _round(lane: int, word: int) -> int:
    return _rotated(lane + word * _PRIME_2, 31) * _PRIME_1 % _MODULUS


def _avalanche(mixed: int) -> int:
    mixed = (mixed ^ mixed >> 33) * _PRIME_2 % _MODULUS
    mixed = (mixed ^ mixed >> 29) * _PRIME_3 % _MODULUS
    return mixed ^ mixed >> 32


def _rotated(value: int, bits: int) -> int:
    value %= _MODULUS
    return (value << bits | value >> (64 - bits)) % _MODULUS


def _word(content: bytes, at: int, size: int) -> int:
    return int.from_bytes(content[at : at + size], "little")
