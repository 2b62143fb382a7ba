"""Moments: exact integer sums, so ranges, moves and plain Python give the same bits, and no window knows another."""

from __future__ import annotations

import dataclasses
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace_kernels.arrays import ExactRangeError, Statistic, StatisticRequest, ValueColumn
from headrace_kernels.cpu import moments as cpu
from headrace_kernels.cpu.grouping import slice_queries
from headrace_kernels.cpu.summed_columns import SummedColumn
from headrace_kernels.reference import exact
from headrace_kernels.reference import moments as reference
from headrace_kernels.reference.membership import members

EXAMPLES = 40
SUMS = [
    StatisticRequest(Statistic.COUNT),
    StatisticRequest(Statistic.COUNT_NON_NULL, empty=9.0),
    StatisticRequest(Statistic.SUM, empty=-1.0),
    StatisticRequest(Statistic.MEAN),
    StatisticRequest(Statistic.VAR, empty=-2.0),
    StatisticRequest(Statistic.STD),
    StatisticRequest(Statistic.SUM),
    StatisticRequest(Statistic.STD, empty=3.0),
]
SHARES = [StatisticRequest(Statistic.SHARE, 0.05, empty=4.0), StatisticRequest(Statistic.SHARE, -2.5)]
REQUESTS = SUMS + SHARES


def compute(case, aggregate=cpu.aggregate_moments, requests=REQUESTS):
    wrap = SummedColumn if aggregate is cpu.aggregate_moments else lambda column: column
    return case.compute(aggregate, requests, lambda each: wrap(each.column()))


def compute_by_moves(case, requests=REQUESTS):
    """As where later events may be visible before earlier ones: events enter and leave one by one."""
    frames = dataclasses.replace(case.frames, events=dataclasses.replace(case.frames.events, ordered=False))
    out = np.full((len(requests), len(frames.first)), -7.0)
    cpu.aggregate_moments(frames, SummedColumn(case.column()), requests, out)
    result = np.empty_like(out)
    result[:, case.query_order] = out
    return result


def is_in_range(case):
    """What the kernel promises: every finite value of a window, and (values) * (the largest of them), fits 64 bits."""
    column = case.column()
    for places in members(case.frames):
        kept = [place for place in places if column.valid is None or column.valid[place]]
        try:
            sizes = [abs(exact.to_integer(each, column.bits)) for each in column.values[kept].tolist() if finite(each)]
        except OverflowError:
            return False
        if len(sizes) * max(sizes, default=0) >= 2**63:
            return False
    return True


def finite(value):
    return isinstance(value, int) or math.isfinite(value)


def check(case, assert_same_floats):
    """Equal to plain Python, or refused where it says so: never a wrong number."""
    if not is_in_range(case):
        with pytest.raises(ExactRangeError, match="resolution"):
            compute(case)
        return
    got = compute(case)
    assert_same_floats(got, compute(case, reference.aggregate_moments))
    assert_same_floats(compute_by_moves(case), got)
    assert_same_floats(compute(case, requests=SUMS), got[: len(SUMS)])


@settings(max_examples=EXAMPLES, deadline=None)
@given(data=st.data())
def test_ranges_and_moves_equal_plain_python_bit_for_bit(data, frame_cases, assert_same_floats):
    check(data.draw(frame_cases(special=data.draw(st.booleans()), bits=(0, 1, -3, 8))), assert_same_floats)


@pytest.mark.slow
@settings(max_examples=12 * EXAMPLES, deadline=None)
@given(data=st.data())
def test_ranges_and_moves_equal_plain_python_in_many_more_cases(data, frame_cases, assert_same_floats):
    check(data.draw(frame_cases(special=data.draw(st.booleans()), bits=(0, 1, -3, 8))), assert_same_floats)


@settings(max_examples=EXAMPLES // 2, deadline=None)
@given(data=st.data())
def test_a_statistic_has_the_bits_it_has_among_others(data, frame_cases, assert_same_floats):
    case = data.draw(frame_cases(special=False))
    together = compute(case)
    for row, request in enumerate(REQUESTS):
        assert_same_floats(compute(case, requests=[request]), together[row : row + 1])


@settings(max_examples=EXAMPLES // 2, deadline=None)
@given(data=st.data())
def test_events_are_counted_without_values(data, frame_cases, assert_same_floats):
    case, requests = data.draw(frame_cases()), [StatisticRequest(Statistic.COUNT, empty=5.0)]
    plain = case.compute(reference.aggregate_moments, requests, None)
    assert_same_floats(case.compute(cpu.aggregate_moments, requests, None), plain)
    assert_same_floats(compute_by_moves(case, requests), plain)


@pytest.mark.parametrize("null", [False, True], ids=["values", "nulls"])
def test_the_own_event_of_a_query_takes_part(null, one_key, assert_same_floats):
    """It is not visible to its own query, and counts all the same."""
    values = np.array([3.0, 5.0, np.nan, 1.0, -2.0, 7.0, -9.0])
    case = one_key(np.arange(7), np.arange(7), values, width=2)
    column = ValueColumn(values, np.arange(7) != 5 if null else None, 0)
    case = dataclasses.replace(case, columns=(column,), own=np.arange(7))
    got = compute(case)
    assert_same_floats(got, compute(case, reference.aggregate_moments))
    assert_same_floats(compute_by_moves(case), got)
    assert got[0].tolist() == [1.0, 2.0, 3.0, 3.0, 3.0, 3.0, 3.0]
    assert got[2, 6] == (-11.0 if null else -4.0)


def test_own_events_with_large_squares_carry_into_the_upper_half(one_key, assert_same_floats):
    values = np.random.default_rng(4).integers(-(2**57), 2**57, 60)
    case = dataclasses.replace(one_key(np.arange(60), np.arange(60), values, width=7), own=np.arange(60))
    got = compute(case)
    assert_same_floats(got, compute(case, reference.aggregate_moments))
    assert_same_floats(compute_by_moves(case), got)


@settings(max_examples=EXAMPLES // 4, deadline=None)
@given(data=st.data())
def test_a_window_alone_equals_the_window_in_a_long_series(data, frame_cases, assert_window_alone):
    """No running sum keeps an old outlier, a NaN or an Inf; future events change nothing."""
    assert_window_alone(data.draw(frame_cases(bits=(-3,)).filter(is_in_range)), compute)


@settings(max_examples=EXAMPLES // 2, deadline=None)
@given(data=st.data(), seed=st.integers(0, 2**32 - 1))
def test_the_order_of_rows_changes_no_bit(data, seed, frame_cases, assert_same_floats):
    case = data.draw(frame_cases(special=False).filter(lambda each: not len(each.own) and not each.newest))
    shuffled = case.take(np.random.default_rng(seed).permutation(len(case.codes)))
    assert_same_floats(compute(shuffled), compute(case))


@settings(max_examples=EXAMPLES // 2, deadline=None)
@given(data=st.data())
def test_slices_of_the_queries_change_no_bit(data, frame_cases, assert_same_floats):
    """Ranges need no moves: a slice of a large bucket takes its share of the bounds."""
    case = data.draw(frame_cases(special=False).filter(lambda each: each.frames.events.ordered))
    frames, column = case.frames, SummedColumn(case.column())
    whole = np.empty((len(REQUESTS), len(frames.first)))
    cpu.aggregate_moments(frames, column, REQUESTS, whole)
    edge = data.draw(st.integers(0, len(frames.first)))
    for begin, end in ((0, edge), (edge, len(frames.first))):
        part = dataclasses.replace(
            frames, queries=slice_queries(frames.queries, begin, end), first=frames.first[begin:end],
            last=frames.last[begin:end], extra=frames.extra[begin:end], moves=frames.moves[:0],
            move_ends=frames.moves[:0],
        )  # fmt: skip
        out = np.empty((len(REQUESTS), end - begin))
        cpu.aggregate_moments(part, column, REQUESTS, out)
        assert_same_floats(out, np.ascontiguousarray(whole[:, begin:end]))


def statistics_of(values, one_key, width=2**40, bits=0):
    """SUM, MEAN, VAR of the windows after each value: float64[3, n]."""
    values = np.asarray(values)
    case = one_key(np.arange(len(values)), np.arange(1, len(values) + 1), values, width=width)
    case = dataclasses.replace(case, columns=(ValueColumn(values, None, bits),))
    requests = [StatisticRequest(each) for each in (Statistic.SUM, Statistic.MEAN, Statistic.VAR)]
    got = compute(case, requests=requests)
    assert (got == compute_by_moves(case, requests))[~np.isnan(got)].all()
    return got


def exact_statistics(values):
    """Sum, mean and sample variance as fractions."""
    values = [Fraction(value) for value in np.asarray(values).tolist()]
    total, count = sum(values), len(values)
    spread = sum((value - total / count) ** 2 for value in values)
    return total, total / count, spread / (count - 1) if count > 1 else None


SERIES = {
    "1e16 beside 1": ([1e16, 1.0, -1e16, 1.0, 3.0, 1e16, -1e16, 2.0] * 5, 0),
    "1e16 beside 8, coarse": ([1e16, 8.0, -1e16, 24.0, -8.0, 16.0] * 7, -3),
    "a constant": ([0.1] * 60, 55),
    "a large constant": ([1e15 + 1.0] * 50, 0),
    "a large offset": ([1e15 + offset for offset in (0.0, 1.0, 2.0, 0.5, 0.25)] * 8, 2),
    "an outlier": ([2.0**40, *([1.0, 1.0 + 2.0**-15, 1.0 - 2.0**-15] * 20)], 15),
    "integers": ([2**50 + offset for offset in (0, 1, -1, 3)] * 10, 0),
    "small integers": (list(range(-20, 40)), 0),
    "minus zero": ([-0.0, 0.0] * 20, 10),
    "decimals": ([round(0.1 * step, 1) for step in range(50)], 50),
}


@pytest.mark.parametrize("width", [2, 3, 17, 2**40])
@pytest.mark.parametrize("name", SERIES)
def test_sums_are_correctly_rounded_and_variances_lose_nothing(name, width, one_key):
    """Oracle: fractions. A sum is rounded once (below 1 ulp), a mean twice, a variance three times."""
    values, bits = SERIES[name]
    values = np.array(values)
    got = statistics_of(values, one_key, width, bits)
    step = Fraction(1, 2) / Fraction(2) ** bits if values.dtype.kind == "f" else 0  # what the resolution may cost
    for end in range(1, len(values) + 1):
        inside = values[max(0, end - width) : end]
        held = [exact.to_integer(value, bits) * Fraction(1, 2) ** bits for value in inside.tolist()]
        total, mean, variance = exact_statistics(inside)
        assert all(abs(kept - Fraction(value)) <= step for kept, value in zip(held, inside.tolist(), strict=True))
        assert got[0, end - 1] == float(sum(held))
        assert abs(got[0, end - 1] - total) <= math.ulp(float(total)) + len(held) * step
        assert abs(got[1, end - 1] - mean) <= 2 * math.ulp(float(mean)) + step
        if variance is None:
            assert math.isnan(got[2, end - 1])
        elif len(set(held)) == 1:
            assert got[2, end - 1] == 0.0
        else:
            assert abs(got[2, end - 1] - variance) <= Fraction(1, 10**12) * variance


@pytest.mark.parametrize("aggregate", [cpu.aggregate_moments, reference.aggregate_moments])
def test_a_value_that_does_not_fit_is_refused_by_every_implementation(aggregate, one_key):
    with pytest.raises(ExactRangeError, match="does not fit 64 bits"):
        compute(one_window(one_key, [1.0, 1e19], late=False), aggregate)


@settings(max_examples=EXAMPLES, deadline=None)
@given(
    data=st.data(), bits=st.sampled_from([0, 7, -3, 20]), offset=st.integers(-(2**40), 2**40), width=st.integers(2, 40)
)
def test_any_values_on_the_resolution_have_exact_sums(data, bits, offset, width, one_key):
    steps = data.draw(st.lists(st.integers(-(2**10), 2**10), min_size=2, max_size=30))
    values = np.array([float((offset + step) * Fraction(1, 2) ** bits) for step in steps])
    got = statistics_of(values, one_key, width, bits)
    for end in range(2, len(values) + 1):
        total, _, variance = exact_statistics(values[max(0, end - width) : end])
        assert got[0, end - 1] == float(total)
        assert abs(got[2, end - 1] - variance) <= Fraction(1, 10**12) * variance


def test_one_beside_1e16_keeps_its_weight(one_key):
    """The sum of 1e16, 1 and -1e16 is 1, in any order: nothing is rounded before the end."""
    for values in ([1e16, 1.0, -1e16], [1.0, 1e16, -1e16], [1e16, -1e16, 1.0]):
        assert statistics_of(values, one_key)[0, 2] == 1.0


def test_denormals_beyond_the_resolution_count_as_zero(one_key):
    """They are far below its half step: the sum and the variance are 0, not NaN."""
    got = statistics_of([5e-324, -5e-324, 2.0**-1030, 5e-324], one_key, bits=60)
    assert (got[:2] == 0.0).all()
    assert (got[2, 1:] == 0.0).all()


@pytest.mark.parametrize("special", [1e16, math.nan, math.inf, -math.inf])
def test_what_leaves_the_window_leaves_no_trace(special, one_key, assert_same_floats):
    values = np.array([3.0, special, 1.0, 2.0, 4.0, 8.0, 16.0])
    got = statistics_of(values, one_key, width=3)
    for end in range(5, 8):
        alone = statistics_of(values[end - 3 : end], one_key)
        assert_same_floats(got[:, end - 1], np.ascontiguousarray(alone[:, 2]))
    inside = got[:, 1:4]
    assert np.isnan(inside).all() if math.isnan(special) else (inside[0] >= 1e16).all() or special == -math.inf


@pytest.mark.parametrize("by_moves", [False, True], ids=["ranges", "moves"])
@pytest.mark.parametrize(
    ("values", "total", "variance"),
    [
        ([math.inf, 1.0], math.inf, math.nan),
        ([-math.inf, math.inf], math.nan, math.nan),
        ([math.inf], math.inf, -2.0),
        ([math.nan], math.nan, math.nan),
        ([math.nan, math.inf], math.nan, math.nan),
        ([1.0], 1.0, -2.0),
        ([], -1.0, -2.0),
    ],
)
def test_infinite_and_missing_values_do_what_is_declared(
    values, total, variance, by_moves, one_key, assert_same_floats
):
    case = one_key(np.arange(len(values)), [9], np.array(values, dtype=np.float64))
    requests = [SUMS[2], SUMS[4], *SHARES[:1]]
    got = compute_by_moves(case, requests) if by_moves else compute(case, requests=requests)
    share = (
        4.0 if not values else math.nan if math.isnan(sum(map(abs, values))) else np.mean([v > 0.05 for v in values])
    )
    assert_same_floats(got[:, 0], np.array([total, variance, share]))


def one_window(one_key, values, *, late, bits=0, null=False):
    """One window over all values; by moves where one is late, by ranges with kinds where one is null."""
    n_events = len(values)
    case = one_key(np.arange(n_events), [n_events + 10], np.array(values))
    valid = np.ones(n_events, np.bool_) if null else None
    columns = (ValueColumn(np.array(values), valid, bits),)
    if null:
        valid[-1] = False
    visible_at = case.time + 1 + (case.time == 0) * 5 * late
    return dataclasses.replace(case, visible_at=visible_at, columns=columns)


@pytest.mark.parametrize("null", [False, True], ids=["plain", "nulls"])
@pytest.mark.parametrize("late", [False, True], ids=["ranges", "moves"])
@pytest.mark.parametrize("as_floats", [False, True], ids=["integers", "floats"])
def test_sums_near_the_limit_are_exact_and_sums_beyond_it_are_refused(
    as_floats, late, null, one_key, assert_same_floats
):
    """(values in a window) * (largest magnitude) just below 2**63 is computed, from 2**63 on it is an error."""
    below, limit = (2.0**61 - 256, 2.0**61) if as_floats else (2**61 - 1, 2**61)
    fill = [0] * null
    for signs in ((1, 1, 1, 1), (-1, -1, -1, -1), (1, -1, 1, 1)):
        case = one_window(one_key, [sign * below for sign in signs] + fill, late=late, null=null)
        got = compute(case, requests=SUMS)
        assert_same_floats(got, compute(case, reference.aggregate_moments, SUMS))
        beyond = one_window(one_key, [*(signs[:3] * np.array(below)), signs[3] * limit, *fill], late=late, null=null)
        with pytest.raises(ExactRangeError, match=r"4 events in a window, with values up to 2.30584e\+18"):
            compute(beyond, requests=SUMS)


@pytest.mark.parametrize("late", [False, True], ids=["ranges", "moves"])
def test_the_widest_squares_fit_128_bits(late, one_key, assert_same_floats):
    """One value just below 2**63, and many whose squares wrap the lower half again and again."""
    for values in ([2**63 - 1], [-(2**62) + 1, 2**61], [2**59 - 1, -(2**59) + 1] * 7, [2**55 + 12345] * 200):
        case = one_window(one_key, values, late=late)
        assert_same_floats(compute(case), compute(case, reference.aggregate_moments))


def test_the_most_negative_integer_is_refused(one_key):
    """It has no positive counterpart; the reference refuses it as well."""
    case = one_window(one_key, [-(2**63), 0], late=False)
    for aggregate in (cpu.aggregate_moments, reference.aggregate_moments):
        with pytest.raises(ExactRangeError):
            compute(case, aggregate)


def test_a_large_group_with_small_windows_stays_within_the_range(one_key, assert_same_floats):
    """The range is a matter of the events in a window, not of the events of a key: prefix sums may wrap."""
    time = np.arange(40)
    case = one_key(time, time + 1, np.full(40, 2**61), width=3)
    assert_same_floats(compute(case), compute(case, reference.aggregate_moments))


def test_the_own_event_of_a_query_counts_towards_the_range(one_key, assert_same_floats):
    """Three events and the own one: 4 * (2**61 - 1) is computed, with 2**61 at either end it is an error."""
    plain = dataclasses.replace(one_key(np.arange(4), [3], np.full(4, 2**61 - 1)), own=np.array([3]))
    assert_same_floats(compute(plain), compute(plain, reference.aggregate_moments))
    for place in (0, 3):
        plain.columns[0].values[:] = 2**61 - 1
        plain.columns[0].values[place] = 2**61
        with pytest.raises(ExactRangeError, match="4 events in a window"):
            compute(plain)


@pytest.mark.parametrize("late", [False, True], ids=["ranges", "moves"])
@pytest.mark.parametrize("large", [2**62, 1e300], ids=["large", "unfit"])
def test_what_no_window_holds_refuses_nothing(large, late, one_key, assert_same_floats):
    """Neither another window nor events that nobody sees yet turn an answer into an error."""
    values = np.array([1, 2, 3, 4, large, 5, 6, 7, large], dtype=np.float64 if large == 1e300 else np.int64)
    case = one_key(np.arange(9), [4, 8], values, width=3)
    case = dataclasses.replace(case, visible_at=case.time + 1 + 2 * late * (case.time == 2))
    expected = compute(case, reference.aggregate_moments)
    assert_same_floats(compute(case), expected)
    assert_same_floats(compute_by_moves(case), expected)
    beside = dataclasses.replace(case, query_time=np.array([4, 5]), width=4)
    with pytest.raises(ExactRangeError):
        compute(beside)


def test_a_value_beyond_the_resolution_is_refused_and_only_where_it_is_summed(one_key, assert_same_floats):
    case = one_window(one_key, [1.0, 1e16], late=False, bits=24)
    with pytest.raises(ExactRangeError, match=r"1e\+16 does not fit 64 bits at a resolution of 2\*\*-24") as caught:
        compute(case)
    assert caught.value.column == 0
    counted = compute(case, requests=[SUMS[0], SUMS[1], *SHARES])
    assert_same_floats(counted[:, 0], np.array([2.0, 2.0, 1.0, 1.0]))


def test_what_stands_under_a_null_is_ignored(one_key, assert_same_floats):
    case = one_window(one_key, [1.0, 2.0, 1e300], late=False, null=True)
    assert_same_floats(compute(case, requests=SUMS[:4])[:, 0], np.array([3.0, 2.0, 3.0, 1.5]))


@pytest.mark.parametrize("threshold", [2.0**53, 2.0**62, 0.5, -0.5, -1e300, 1e300])
def test_shares_compare_integers_as_integers(threshold, one_key, assert_same_floats):
    case = one_window(one_key, [2**53, 2**53 + 1, 2**62 + 1, -(2**63), 0, -1, 1, 2**63 - 1], late=False)
    request = [StatisticRequest(Statistic.SHARE, threshold)]
    assert_same_floats(compute(case, requests=request), compute(case, reference.aggregate_moments, request))


def test_an_empty_value_keeps_its_sign_whoever_asked_before(one_key):
    """0.0 == -0.0: what is prepared for one request must not be given to the other."""
    case = one_key([], [1], np.zeros(0))
    for empty in (0.0, -0.0, 0.0):
        got = compute(case, requests=[StatisticRequest(Statistic.SUM, empty=empty)])
        assert math.copysign(1.0, got[0, 0]) == math.copysign(1.0, empty)


WORDS = st.integers(0, 2**64 - 1) | st.sampled_from([0, 1, 2**32, 2**53 + 1, 2**63, 2**64 - 1, 2**64 - 2**10])


@settings(max_examples=5 * EXAMPLES, deadline=None)
@given(high=WORDS | st.integers(0, 2**12), low=WORDS)
def test_wide_integers_round_once_to_the_nearest_float(high, low):
    with np.errstate(over="ignore"):
        assert cpu._to_float(np.uint64(high), np.uint64(low)) == float((high << 64) + low)


@settings(max_examples=5 * EXAMPLES, deadline=None)
@given(values=st.lists(st.integers(-(2**57), 2**57), min_size=2, max_size=20))
def test_variances_have_no_cancellation(values):
    """A large offset costs nothing: the numerator is exact."""
    total, squares = sum(values), sum(value * value for value in values)
    with np.errstate(over="ignore"):
        got = cpu._variance(
            np.int64(len(values)), np.int64(total), np.uint64(squares & (2**64 - 1)), np.uint64(squares >> 64)
        )
    assert got == exact.variance(total, squares, len(values), 0)
