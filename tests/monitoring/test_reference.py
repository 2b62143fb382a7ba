"""Frozen edges and the distances computed on them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from headrace.monitoring.baseline import Baseline, build_baseline
from headrace.monitoring.reference import (
    EDGES,
    MAX_DISTINCT,
    FeatureReference,
    bounded_limit,
    choose_edges,
    decile_bins,
    population_stability,
    unbounded_limit,
)
from headrace.monitoring.sketch import distance_of, sketch_feature

SMALL = st.lists(st.integers(-20, 20), min_size=1, max_size=60)


def reference_of(values) -> FeatureReference:
    column = np.asarray(values, dtype=np.float32)
    baseline = build_baseline(
        column[:, None], names=["x"], roles=["state"], importances=[0.0], times=np.arange(len(column))
    )
    return baseline.features[0]


def test_few_values_are_all_kept_and_many_are_cut_at_quantiles():
    edges, discrete = choose_edges(np.arange(MAX_DISTINCT, dtype=np.float32).repeat(3))
    assert (len(edges), discrete) == (MAX_DISTINCT, True)
    edges, discrete = choose_edges(np.arange(100_000, dtype=np.float32))
    assert not discrete
    assert EDGES < len(edges) <= EDGES + 7
    assert (edges[0], edges[-1]) == (0.0, 99_999.0)
    assert (np.diff(edges) > 0).all()


def test_no_values_have_no_edges():
    edges, discrete = choose_edges(np.empty(0, dtype=np.float32))
    assert (len(edges), discrete) == (0, True)


@given(SMALL, SMALL)
def test_the_distance_to_a_discrete_reference_is_scipys_where_the_window_knows_no_other_values(one, other):
    window = [value for value in other if value in one] or one[:1]
    reference = reference_of(one)
    sketch = sketch_feature(reference, np.asarray(window, dtype=np.float32))
    distance = distance_of(reference, sketch)
    assert distance == pytest.approx(stats.wasserstein_distance(window, one), abs=1e-9)


@given(SMALL, st.floats(-500, 500, width=32))
def test_a_shift_of_a_constant_is_its_own_distance(values, shift):
    """Also where every value leaves the vocabulary, in between its values or beyond them."""
    reference = reference_of([0.0, 10.0])
    window = np.full(len(values), 0.0, dtype=np.float32) + np.float32(shift)
    sketch = sketch_feature(reference, window)
    distance = distance_of(reference, sketch)
    truth = stats.wasserstein_distance(window, [0.0, 10.0])
    # inside a bin the areas are summed with their sign: exact but where the distributions cross there
    assert distance <= truth + 1e-3 * max(1.0, truth)
    if not 0.0 < shift < 10.0:
        assert distance == pytest.approx(truth, rel=1e-6)


@pytest.mark.parametrize("shift", [0.0, 0.3, -2.0, 50.0])
def test_the_distance_of_continuous_values_is_scipys_within_a_hundredth_of_a_deviation(shift):
    generator = np.random.default_rng(3)
    old = generator.normal(size=40_000).astype(np.float32)
    new = (generator.normal(size=5_000) * 1.3 + shift).astype(np.float32)
    reference = reference_of(old)
    sketch = sketch_feature(reference, new)
    distance = distance_of(reference, sketch)
    assert distance == pytest.approx(stats.wasserstein_distance(new, old), abs=0.01)


def test_deciles_hold_a_tenth_each_and_fewer_where_values_repeat():
    assert np.bincount(decile_bins(np.ones(1_000, dtype=np.int64))).tolist() == [100] * 10
    assert decile_bins(np.array([900, 50, 50])).tolist() == [0, 1, 1]
    assert decile_bins(np.array([7])).tolist() == [0]


def test_population_stability_is_zero_for_equal_shares_and_finite_for_empty_bins():
    assert population_stability(np.array([10, 10]), np.array([10, 10])) == 0.0
    assert 0 < population_stability(np.array([100, 0]), np.array([50, 50])) < 10
    shares = population_stability(np.array([600_000, 400_000]), np.array([500_000, 500_000]))
    assert shares == pytest.approx(0.1 * np.log(1.2) + 0.1 * np.log(1.25), rel=1e-4)


def test_limits_leave_a_margin_and_one_odd_block_does_not_set_a_distances_limit():
    assert bounded_limit([0.1, 0.4, 0.2]) == pytest.approx(0.6)
    assert unbounded_limit([0.4, 0.3, 0.2]) == pytest.approx(0.6)
    assert unbounded_limit([40.0, 0.3, 0.2]) == pytest.approx(0.75)


@given(st.lists(st.floats(-10, 10, width=32) | st.just(float("nan")), min_size=2, max_size=40), st.integers(1, 39))
def test_sketches_of_two_windows_add_up_to_the_sketch_of_both(values, cut):
    column = np.array(values, dtype=np.float32)
    reference = reference_of([-3.0, 0.0, 0.5, 4.0])
    whole = sketch_feature(reference, column)
    added = sketch_feature(reference, column[:cut]) + sketch_feature(reference, column[cut:])
    assert (added.rows, added.nulls, added.counts, added.outside) == (
        whole.rows,
        whole.nulls,
        whole.counts,
        whole.outside,
    )
    assert added.offsets == pytest.approx(whole.offsets)
    assert added.above_excess == pytest.approx(whole.above_excess)


def test_a_reference_reads_back_to_an_equal_one():
    reference = reference_of([1.5, 2.5, float("nan"), 1e30, float("inf")])
    assert reference.nulls == 1
    assert FeatureReference.from_json(reference.to_json()) == reference
    assert Baseline.from_json(Baseline((reference,)).to_json()).features == (reference,)
