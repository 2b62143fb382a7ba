"""Great-circle distance: the same bits on every device, and right next to a point as well as opposite of it."""

from __future__ import annotations

import decimal
import math
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from headrace_kernels.cpu import haversine as cpu
from headrace_kernels.reference import haversine as reference

RADIUS_KM = 6371.0088
LATITUDES = st.sampled_from([0.0, -0.0, 90.0, -90.0, 45.0, -45.0, 5e-324]) | st.floats(-90, 90)
LONGITUDES = st.sampled_from([0.0, 180.0, -180.0, 360.0, -360.0, 90.0, 5e-324]) | st.floats(-360, 360)
POINTS = st.tuples(LATITUDES, LONGITUDES)
STEP = st.sampled_from([0.0, 1e-12, 1e-7, 1e-3])
WRONG = st.sampled_from([math.nan, math.inf, -math.inf, 361.0, math.nextafter(360.0, 400.0)])


def distance(backend, *points):
    """Distances of pairs (lat1, lon1, lat2, lon2)."""
    columns = np.array(points, dtype=np.float64).reshape(-1, 4).T
    return backend.haversine_km(*(column.copy() for column in columns))


def exact_km(lat1, lon1, lat2, lon2):
    """The distance with 60 digits: the angle between two vectors, by its sine or cosine from power series."""
    with decimal.localcontext(prec=60):
        degree = 4 * (4 * _arctangent(Decimal(1) / 5) - _arctangent(Decimal(1) / 239)) / 180
        phi1, phi2, lam = (Decimal(value) * degree for value in (lat1, lat2, Decimal(lon1) - Decimal(lon2)))
        sine, cosine = zip(*(_sine_cosine(angle) for angle in (phi1, phi2, lam)), strict=True)
        across = cosine[1] * sine[2], cosine[0] * sine[1] - sine[0] * cosine[1] * cosine[2]
        opposite = (across[0] ** 2 + across[1] ** 2).sqrt()
        adjacent = sine[0] * sine[1] + cosine[0] * cosine[1] * cosine[2]
        length = (opposite**2 + adjacent**2).sqrt() + abs(adjacent)
        angle = 2 * _arctangent(opposite / length)
        return Decimal(RADIUS_KM) * (angle if adjacent >= 0 else 180 * degree - angle)


def _sine_cosine(angle):
    sine, cosine, term, power = Decimal(0), Decimal(0), Decimal(1), 0
    while abs(term) > Decimal("1e-58"):
        sign = -1 if power % 4 >= 2 else 1
        sine, cosine = (sine, cosine + sign * term) if power % 2 == 0 else (sine + sign * term, cosine)
        power += 1
        term = term * angle / power
    return sine, cosine


def _arctangent(ratio):
    """Halved three times first: the series is slow near 1."""
    for _ in range(3):
        ratio /= 1 + (1 + ratio * ratio).sqrt()
    total, power, n = Decimal(0), ratio, 1
    while abs(power) > Decimal("1e-58"):
        total += power / n
        power, n = -power * ratio * ratio, n + 2
    return 8 * total


@settings(max_examples=40, deadline=None)
@given(start=POINTS, other=POINTS)
def test_compiled_distances_have_the_bits_of_the_plain_ones(start, other):
    compiled = distance(cpu, (*start, *other))
    assert compiled.tobytes() == distance(reference, (*start, *other)).tobytes()
    assert compiled.tobytes() == distance(cpu, (*other, *start)).tobytes()


def test_a_pair_alone_has_the_bits_it_has_among_many():
    pairs = np.random.default_rng(3).uniform(-90, 90, (1001, 4))
    together = distance(cpu, *pairs)
    assert np.concatenate([distance(cpu, pair) for pair in pairs]).tobytes() == together.tobytes()
    assert distance(reference, *pairs).tobytes() == together.tobytes()


@settings(max_examples=40, deadline=None)
@given(start=POINTS, other=POINTS | st.none(), opposite=st.booleans(), step=st.tuples(STEP, STEP))
@example(start=(10.1, 179.97), other=(10.2, -179.98), opposite=False, step=(0.0, 0.0))  # across the date line
@example(start=(0.0, 360.0), other=(0.0, 1.00001), opposite=False, step=(0.0, 0.0))
@example(start=(0.0, -359.99), other=(1e-9, 0.02), opposite=False, step=(0.0, 0.0))
def test_the_relative_error_is_below_the_declared_one(start, other, opposite, step):
    lat1, lon1 = start
    if other is None:  # close to the point or to its antipode
        lat2 = max(-90.0, (-lat1 if opposite else lat1) - step[0])
        other = lat2, (lon1 - math.copysign(180.0, lon1) if opposite else lon1) * (1 - step[1])
    exact = exact_km(*start, *other)
    found = Decimal(float(distance(cpu, (*start, *other))[0]))
    assert abs(found - exact) <= exact * Decimal("2e-15") + Decimal("1e-30")


def test_equal_points_and_a_full_turn_apart_are_zero():
    pairs = [(40.6, -73.8, 40.6, -73.8), (90.0, 0.0, 90.0, 0.0), (12.0, 180.0, 12.0, -180.0), (-5.0, 360.0, -5.0, 0.0)]
    assert distance(cpu, *pairs).tolist() == [0.0] * 4


def test_poles_and_antipodes_are_half_the_circumference_apart():
    half = math.pi * RADIUS_KM
    found = distance(cpu, (90, 10, -90, 77), (0, 0, 0, 180), (30, -20, -30, 160))
    np.testing.assert_allclose(found, half, rtol=4e-16)


@settings(max_examples=40, deadline=None)
@given(point=POINTS, wrong=WRONG, at=st.integers(0, 3))
def test_what_is_no_place_has_no_distance(point, wrong, at):
    pair = [*point, *point]
    pair[at] = wrong
    assert np.isnan(distance(cpu, pair)).all()
    assert np.isnan(distance(reference, pair)).all()


def test_a_latitude_beyond_the_pole_is_no_place():
    assert np.isnan(distance(cpu, (90.5, 0, 0, 0), (0, 0, -91, 0))).all()


def test_no_pairs_have_no_distances():
    assert distance(cpu).shape == distance(reference).shape == (0,)


def test_scikit_learn_agrees_to_its_own_precision():
    pairwise = pytest.importorskip("sklearn.metrics.pairwise")
    pairs = np.random.default_rng(5).uniform([-90, -180] * 2, [90, 180] * 2, (200, 4))
    radians = np.radians(pairs)
    theirs = np.diag(pairwise.haversine_distances(radians[:, :2], radians[:, 2:])) * RADIUS_KM
    np.testing.assert_allclose(distance(cpu, *pairs), theirs, rtol=1e-11)  # near antipodes theirs loses five digits
