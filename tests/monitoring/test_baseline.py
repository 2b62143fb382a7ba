"""Baselines: deterministic bytes, known formats, natural variation."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from headrace.core.errors import CorruptedError, InvalidInputError
from headrace.monitoring import Baseline, BaselineSettings, build_baseline
from headrace.monitoring.baseline import DAY_US

GOLDEN = Path(__file__).parent / "golden"


def autocorrelated(days=120, per_day=200, seed=5):
    """A level that wanders from day to day, and independent noise: float32[n, 2] and times."""
    generator = np.random.default_rng(seed)
    level = np.zeros(days)
    for day in range(1, days):
        level[day] = 0.8 * level[day - 1] + generator.normal()
    times = np.arange(days * per_day) * (DAY_US // per_day)
    wandering = level.repeat(per_day) + 0.3 * generator.normal(size=days * per_day)
    noise = generator.normal(size=days * per_day)
    return np.column_stack([wandering, noise]).astype(np.float32), times


def build(values, times, **kwargs):
    return build_baseline(
        values, names=["level", "noise"], roles=["state", "window"], importances=[0.5, 0.0], times=times, **kwargs
    )


def test_the_same_rows_give_the_same_bytes_and_read_back():
    values, times = autocorrelated()
    first, second = build(values, times), build(values.copy(), times.copy())
    assert first.to_bytes() == second.to_bytes()
    assert Baseline.from_json(json.loads(first.to_bytes())) == first


def test_the_order_of_rows_does_not_matter():
    values, times = autocorrelated(days=40)
    order = np.random.default_rng(0).permutation(len(times))
    one, other = build(values, times), build(values[order], times[order])
    for a, b in zip(one.features, other.features, strict=True):
        assert (a.edges, a.counts, a.natural, a.nulls) == (b.edges, b.counts, b.natural, b.nulls)
        assert a.mean == pytest.approx(b.mean, abs=1e-12)


def test_natural_limits_tell_wandering_levels_from_noise():
    values, times = autocorrelated()
    level, noise = build(values, times).features
    for daily, weekly in (level.natural, noise.natural):
        assert daily.block_days == 1.0
        assert weekly.block_days == 7.0
        assert daily.wasserstein > weekly.wasserstein
    assert level.natural[1].wasserstein > 5 * noise.natural[1].wasserstein


def test_lengths_with_too_few_blocks_are_left_out():
    values, times = autocorrelated(days=20)
    assert [limits.block_days for limits in build(values, times).features[0].natural] == [1.0]
    assert build(*autocorrelated(days=5)).features[0].natural == ()


def test_missing_and_infinite_values_are_counted_not_added():
    values, times = autocorrelated(days=20)
    values[::4, 0] = np.nan
    values[1, 0] = np.inf
    feature = build(values, times).features[0]
    assert feature.null_rate == 0.25
    assert feature.edges[-1] == pytest.approx(np.finfo(np.float32).max)
    assert np.isfinite(feature.mean)


def test_a_feature_without_any_value_has_a_reference_all_the_same():
    values, times = autocorrelated(days=20)
    values[:, 0] = np.nan
    feature = build(values, times).features[0]
    assert (feature.values, feature.edges, feature.counts, feature.std) == (0, (), (), 0.0)


def test_importances_may_come_by_name():
    values, times = autocorrelated(days=20)
    baseline = build_baseline(
        values, names=["level", "noise"], roles=["state", "window"], importances={"noise": 0.7}, times=times
    )
    assert [feature.importance for feature in baseline.features] == [0.0, 0.7]


@pytest.mark.parametrize(
    "change",
    [
        {"values": np.zeros((5, 3), dtype=np.float32)},
        {"values": np.zeros((5, 2))},
        {"values": np.zeros((0, 2), dtype=np.float32), "times": np.zeros(0, dtype=np.int64)},
        {"times": np.zeros(4, dtype=np.int64)},
        {"roles": ["state"]},
        {"importances": [0.1]},
    ],
)
def test_input_that_does_not_fit_is_refused(change):
    fitting = {
        "values": np.zeros((5, 2), dtype=np.float32),
        "names": ["a", "b"],
        "roles": ["state", "window"],
        "importances": [0.1, 0.2],
        "times": np.zeros(5, dtype=np.int64),
    } | change
    with pytest.raises(InvalidInputError):
        build_baseline(fitting.pop("values"), **fitting)


def test_another_format_version_is_refused():
    with pytest.raises(CorruptedError, match="format 2 is unknown; this version reads 1"):
        Baseline.from_json({"format": 2, "features": []})
    with pytest.raises(CorruptedError, match="not what its format says"):
        Baseline.from_json({"format": 1, "features": [{"name": "x"}]})


def test_baselines_of_format_1_stay_readable_and_are_still_written():
    text = (GOLDEN / "baseline-1.json").read_bytes()
    values = np.array([[1, np.nan], [2, 0.5], [2, 0.25], [3, np.nan]], dtype=np.float32)
    baseline = build_baseline(
        values,
        names=["a", "b"],
        roles=["state", "window"],
        importances=[0.75, 0.25],
        times=np.arange(4) * DAY_US,
        settings=BaselineSettings(block_days=(1.0,), min_blocks=2, min_block_values=1),
    )
    assert baseline.to_bytes() == text
    assert Baseline.from_json(json.loads(text)) == baseline
