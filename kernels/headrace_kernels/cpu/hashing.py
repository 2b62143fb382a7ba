"""XXH64 of integers and strings; see the reference for the algorithm and its source.

Every constant is a uint64: Numba makes a float64 of a uint64 and an int64 together.
"""

from __future__ import annotations

import numpy as np

from headrace_kernels.cpu.jit import inlined, kernel
from headrace_kernels.dtypes import Bytes, Hashes, Integers, Starts

_PRIME_1 = np.uint64(0x9E3779B185EBCA87)
_PRIME_2 = np.uint64(0xC2B2AE3D27D4EB4F)
_PRIME_3 = np.uint64(0x165667B19E3779F9)
_PRIME_4 = np.uint64(0x85EBCA77C2B2AE63)
_PRIME_5 = np.uint64(0x27D4EB2F165667C5)
_ZERO, _ONE, _FOUR, _EIGHT, _WORDS = (np.uint64(number) for number in (0, 1, 4, 8, 32))
_BITS = np.uint64(64)


def hash_integers(values: Integers, seed: int) -> Hashes:
    """Hash each integer; see the reference. Complexity: O(n)."""
    hashes = np.empty(len(values), dtype=np.uint64)
    with np.errstate(over="ignore"):  # NumPy's scalars warn when they wrap; compiled code does not
        _hash_integers(values, np.uint64(seed), hashes)
    return hashes


def hash_strings(offsets: Starts, data: Bytes, seed: int) -> Hashes:
    """Hash each string; see the reference. Complexity: O(n + bytes)."""
    hashes = np.empty(len(offsets) - 1, dtype=np.uint64)
    with np.errstate(over="ignore"):
        _hash_strings(offsets, data, np.uint64(seed), hashes)
    return hashes


@kernel
def _hash_integers(values: Integers, seed: np.uint64, hashes: Hashes) -> None:
    for row in range(len(values)):
        mixed = _with_word(seed + _PRIME_5 + _EIGHT, np.uint64(values[row]))
        hashes[row] = _avalanche(mixed)


@kernel
def _hash_strings(offsets: Starts, data: Bytes, seed: np.uint64, hashes: Hashes) -> None:
    for row in range(len(hashes)):
        at, end = np.uint64(offsets[row]), np.uint64(offsets[row + 1])
        size = end - at
        if size >= _WORDS:
            first, second = seed + _PRIME_1 + _PRIME_2, seed + _PRIME_2
            third, fourth = seed, seed - _PRIME_1
            while end - at >= _WORDS:
                first = _round(first, _word(data, at))
                second = _round(second, _word(data, at + _EIGHT))
                third = _round(third, _word(data, at + np.uint64(16)))
                fourth = _round(fourth, _word(data, at + np.uint64(24)))
                at += _WORDS
            mixed = _rotated(first, _ONE) + _rotated(second, np.uint64(7))
            mixed += _rotated(third, np.uint64(12)) + _rotated(fourth, np.uint64(18))
            for lane in (first, second, third, fourth):
                mixed = (mixed ^ _round(_ZERO, lane)) * _PRIME_1 + _PRIME_4
        else:
            mixed = seed + _PRIME_5
        mixed += size
        while end - at >= _EIGHT:
            mixed = _with_word(mixed, _word(data, at))
            at += _EIGHT
        if end - at >= _FOUR:
            mixed = _rotated(mixed ^ _half(data, at) * _PRIME_1, np.uint64(23)) * _PRIME_2 + _PRIME_3
            at += _FOUR
        while at < end:
            mixed = _rotated(mixed ^ np.uint64(data[at]) * _PRIME_5, np.uint64(11)) * _PRIME_1
            at += _ONE
        hashes[row] = _avalanche(mixed)


@inlined
def _with_word(mixed: np.uint64, word: np.uint64) -> np.uint64:
    return _rotated(mixed ^ _round(_ZERO, word), np.uint64(27)) * _PRIME_1 + _PRIME_4


@inlined
def _round(lane: np.uint64, word: np.uint64) -> np.uint64:
    return _rotated(lane + word * _PRIME_2, np.uint64(31)) * _PRIME_1


@inlined
def _avalanche(mixed: np.uint64) -> np.uint64:
    mixed = (mixed ^ (mixed >> np.uint64(33))) * _PRIME_2
    mixed = (mixed ^ (mixed >> np.uint64(29))) * _PRIME_3
    return mixed ^ (mixed >> _WORDS)


@inlined
def _rotated(value: np.uint64, bits: np.uint64) -> np.uint64:
    return (value << bits) | (value >> (_BITS - bits))


@inlined
def _word(data: Bytes, at: np.uint64) -> np.uint64:
    return _half(data, at) | (_half(data, at + _FOUR) << _WORDS)


@inlined
def _half(data: Bytes, at: np.uint64) -> np.uint64:
    low = np.uint64(data[at]) | (np.uint64(data[at + _ONE]) << _EIGHT)
    high = np.uint64(data[at + np.uint64(2)]) | (np.uint64(data[at + np.uint64(3)]) << _EIGHT)
    return low | (high << np.uint64(16))
