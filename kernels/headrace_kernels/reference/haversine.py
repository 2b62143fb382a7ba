"""Great-circle distance from additions, products, divisions and square roots alone, so that every device agrees.

Sine, cosine and arctangent are polynomials: C libraries, vector libraries and GPUs each round theirs differently. The
coefficients below are Chebyshev interpolations, computed with 60 digits: the sine in degrees divided by x, and the
cosine less one divided by x squared, both in x squared on [0, 45 degrees]; the arctangent divided by x, in x squared,
on [0, tan 22.5 degrees]. Their truncation is below 4e-18 relative.

Reference: R. W. Sinnott, "Virtues of the Haversine", Sky & Telescope 68 (1984); mean radius of the Earth: H. Moritz,
"Geodetic Reference System 1980", Journal of Geodesy 74 (2000).
"""

from __future__ import annotations

import math
from functools import reduce

import numpy as np

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


def haversine_km(lat1: Floats, lon1: Floats, lat2: Floats, lon2: Floats) -> Floats:
    """Great-circle distance of pairs of points on a sphere of the Earth's mean radius.

    Exactly 0 between equal points and exactly symmetric. The haversine of the angle and that of the angle to the
    antipode are each a sum of squares, so that neither near nor opposite points lose digits.

    Args:
        lat1: float64[n], degrees north, in [-90, 90]; C-contiguous, as all four.
        lon1: float64[n], degrees east, in [-360, 360].
        lat2: float64[n].
        lon2: float64[n].

    Returns:
        float64[n], kilometres. NaN where a coordinate is NaN or outside its range; empty for no pairs. Relative error
        below 2e-15 for the coordinates as given; what is closer than 1e-140 km may be 0 apart.
    """
    points = zip(lat1.tolist(), lon1.tolist(), lat2.tolist(), lon2.tolist(), strict=True)
    return np.array([_distance(*pair) for pair in points], dtype=np.float64)


def _distance(lat1: float, lon1: float, lat2: float, lon2: float) -> float:
    inside = abs(lat1) <= 90.0 and abs(lat2) <= 90.0 and abs(lon1) <= 360.0 and abs(lon2) <= 360.0
    if not inside:  # NaN is inside nothing
        return math.nan
    east_1, east_2 = _within_half_a_turn(lon1), _within_half_a_turn(lon2)
    turn = 0.5 * min(abs(east_1 - east_2), (180.0 - abs(east_1)) + (180.0 - abs(east_2)))
    across = _sine(90.0 - abs(lat1)) * _sine(90.0 - abs(lat2))
    near = _square(_sine(abs(lat1 - lat2) * 0.5)) + across * _square(_sine(turn))
    far = _square(_sine(abs(lat1 + lat2) * 0.5)) + across * _square(_sine(90.0 - turn))
    half = _arctangent(math.sqrt(min(near, far) / max(near, far)))
    return 2.0 * EARTH_RADIUS_KM * (half if near <= far else math.pi / 2.0 - half)


def _within_half_a_turn(longitude: float) -> float:
    """The same longitude in [-180, 180]; exact, because what is subtracted is near enough."""
    return longitude - 360.0 * round(longitude / 360.0)


def _sine(degrees: float) -> float:
    """Sine of [0, 90] degrees."""
    if degrees <= 45.0:
        return degrees * _polynomial(_SINE, degrees * degrees)
    rest = 90.0 - degrees
    return 1.0 + rest * rest * _polynomial(_COSINE, rest * rest)


def _arctangent(ratio: float) -> float:
    """Angle in radians of a ratio in [0, 1]."""
    if ratio <= 0.41421356:
        return ratio * _polynomial(_ARCTANGENT, ratio * ratio)
    turned = (ratio - 1.0) / (ratio + 1.0)
    return math.pi / 4.0 + turned * _polynomial(_ARCTANGENT, turned * turned)


def _square(x: float) -> float:
    return x * x  # x**2 is the C library's pow, which may round otherwise


def _polynomial(coefficients: tuple[float, ...], x: float) -> float:
    return reduce(lambda value, coefficient: value * x + coefficient, reversed(coefficients))
