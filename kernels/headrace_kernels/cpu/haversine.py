"""Great-circle distance; see the reference for the method, its coefficients and its sources."""

from __future__ import annotations

import math

import numpy as np

from headrace_kernels.cpu.jit import inlined, kernel
from headrace_kernels.dtypes import Floats

EARTH_RADIUS_KM = 6371.0088
_SINE = (
    0.017453292519943295, -8.860961557012953e-07, 1.3496016231611492e-11, -9.788384855379788e-17,
    4.14126653719259e-22, -1.1467564196328708e-27, 2.216444745893144e-33,
)  # fmt: skip
_COSINE = (
    -0.0001523087098933543, 3.86632385156299e-09, -3.925831985740796e-14, 2.13549430291396e-19,
    -7.227874202905621e-25, 1.66791273701521e-30, -2.7667201283227507e-36,
)  # fmt: skip
_ARCTANGENT = (
    1.0, -0.3333333333333312, 0.19999999999940665, -0.14285714279228195, 0.1111111074382268, -0.09090896777352739,
    0.07692044761447499, -0.06662945267303778, 0.05846830092407492, -0.05034882610993903, 0.03795960457309466,
    -0.017799133747822576,
)  # fmt: skip
_QUARTER_TURN = math.pi / 2.0
_EIGHTH_TURN = math.pi / 4.0


def haversine_km(lat1: Floats, lon1: Floats, lat2: Floats, lon2: Floats) -> Floats:
    """Great-circle distance of pairs of points; see the reference. Complexity: O(n)."""
    kilometres = np.empty(len(lat1), dtype=np.float64)
    _haversine_km(lat1, lon1, lat2, lon2, kilometres)
    return kilometres


@kernel
def _haversine_km(lat1: Floats, lon1: Floats, lat2: Floats, lon2: Floats, kilometres: Floats) -> None:
    """No branch that skips a row: LLVM makes vectors of the loop then, seven times as fast."""
    for row in range(len(kilometres)):
        inside = abs(lat1[row]) <= 90.0 and abs(lat2[row]) <= 90.0
        inside = inside and abs(lon1[row]) <= 360.0 and abs(lon2[row]) <= 360.0
        north_1, north_2 = lat1[row] if inside else 0.0, lat2[row] if inside else 0.0
        east_1 = _within_half_a_turn(lon1[row] if inside else 0.0)
        east_2 = _within_half_a_turn(lon2[row] if inside else 0.0)
        turn = 0.5 * min(abs(east_1 - east_2), (180.0 - abs(east_1)) + (180.0 - abs(east_2)))
        across = _sine(90.0 - abs(north_1)) * _sine(90.0 - abs(north_2))
        along, along_other = _sine(abs(north_1 - north_2) * 0.5), _sine(abs(north_1 + north_2) * 0.5)
        around, around_other = _sine(turn), _sine(90.0 - turn)
        near = along * along + across * (around * around)
        far = along_other * along_other + across * (around_other * around_other)
        half = _arctangent(math.sqrt(min(near, far) / max(near, far)))
        distance = 2.0 * EARTH_RADIUS_KM * (half if near <= far else _QUARTER_TURN - half)
        kilometres[row] = distance if inside else np.nan


@inlined
def _within_half_a_turn(longitude: float) -> float:
    turns: float = np.rint(longitude / 360.0)
    return longitude - 360.0 * turns


@inlined
def _sine(degrees: float) -> float:
    if degrees <= 45.0:
        square = degrees * degrees
        value = _SINE[6]
        for term in range(5, -1, -1):
            value = value * square + _SINE[term]
        return degrees * value
    rest = 90.0 - degrees
    square = rest * rest
    value = _COSINE[6]
    for term in range(5, -1, -1):
        value = value * square + _COSINE[term]
    return 1.0 + square * value


@inlined
def _arctangent(ratio: float) -> float:
    small = ratio <= 0.41421356
    turned = ratio if small else (ratio - 1.0) / (ratio + 1.0)
    square = turned * turned
    value = _ARCTANGENT[11]
    for term in range(10, -1, -1):
        value = value * square + _ARCTANGENT[term]
    return turned * value if small else _EIGHTH_TURN + turned * value
