"""Drift: what is named, what stays quiet, what cannot be said."""

from __future__ import annotations

import json
from datetime import timedelta

import numpy as np
import pytest

from headrace.core.errors import InvalidInputError
from headrace.monitoring import DriftSettings, Verdict, build_baseline, judge_drift
from headrace.monitoring.baseline import DAY_US
from headrace.monitoring.drift import judge_sketches
from headrace.monitoring.sketch import sketch_feature

NAMES = ["mean_delay", "speed", "quiet", "hour", "sparse"]
ROLES = ["window", "state", "request", "calendar", "state"]
IMPORTANCES = [0.4, 0.03, 0.3, 0.2, 0.07]


def rows(days, *, seed=0, per_day=150):
    """Independent days: float32[n, 5] and their times."""
    generator = np.random.default_rng(seed)
    n = days * per_day
    values = np.column_stack(
        [
            generator.normal(10.0, 4.0, n),
            generator.integers(0, 40, n) * 1.15,
            generator.normal(0.0, 1.0, n),
            np.arange(n) % 24,
            np.where(generator.random(n) < 0.02, generator.normal(size=n), np.nan),
        ]
    )
    return values.astype(np.float32), np.arange(n) * (DAY_US // per_day)


@pytest.fixture(scope="module")
def baseline():
    values, times = rows(140)
    return build_baseline(values, names=NAMES, roles=ROLES, importances=IMPORTANCES, times=times)


def changed(name, change, *, days=7):
    values, _ = rows(days, seed=1)
    column = NAMES.index(name)
    values[:, column] = change(values[:, column])
    return values


def verdicts(report):
    return {feature.name: feature.verdict for feature in report.features}


def test_rows_like_the_reference_are_stable(baseline):
    report = judge_drift(baseline, rows(7, seed=1)[0])
    assert report.verdict is Verdict.STABLE
    assert report.drifted == ()
    assert verdicts(report) == {
        "mean_delay": Verdict.STABLE,
        "speed": Verdict.STABLE,
        "quiet": Verdict.STABLE,
        "hour": Verdict.NOT_JUDGED,
        "sparse": Verdict.INSUFFICIENT,
    }


def test_a_unit_change_in_an_important_feature_is_named_first_and_is_the_windows_verdict(baseline):
    report = judge_drift(baseline, changed("mean_delay", lambda column: column * 60))
    assert report.verdict is Verdict.DRIFTED
    assert [feature.name for feature in report.drifted] == ["mean_delay"]
    assert report.features[0].cause == "wasserstein"
    assert report.reason == "mean_delay drifted, with at least 5% of the model's gain"


def test_an_unimportant_feature_is_named_and_is_not_the_windows_verdict(baseline):
    settings = DriftSettings(drifted_share=0.5)
    report = judge_drift(baseline, changed("speed", lambda column: column + 300), settings=settings)
    assert [feature.name for feature in report.drifted] == ["speed"]
    assert report.verdict is Verdict.STABLE
    assert report.reason == "1 of 3 features drifted"


def test_of_two_features_the_important_one_is_named_first(baseline):
    values = changed("speed", lambda column: column + 3_000)
    values[:, NAMES.index("mean_delay")] += 8
    report = judge_drift(baseline, values)
    assert [feature.name for feature in report.drifted] == ["mean_delay", "speed"]
    assert report.features[0].excess < report.features[1].excess


def test_many_unimportant_features_are_the_windows_verdict(baseline):
    settings = DriftSettings(important_share=0.9, drifted_share=0.5)
    values = changed("speed", lambda column: column + 300)
    values[:, 0] += 30
    assert judge_drift(baseline, values, settings=settings).verdict is Verdict.DRIFTED


def test_a_small_unit_change_shows_in_values_that_no_reference_row_has(baseline):
    """Knots for miles an hour overlap the old range; the values in between give it away."""
    report = judge_drift(baseline, changed("speed", lambda column: column * np.float32(0.9)))
    assert [(feature.name, feature.cause) for feature in report.drifted] == [("speed", "unseen")]


def test_a_computed_feature_may_take_new_values(baseline):
    discrete = changed("mean_delay", lambda column: column)
    assert verdicts(judge_drift(baseline, discrete))["mean_delay"] is Verdict.STABLE


@pytest.mark.parametrize("broken", [np.nan, np.inf, -np.inf])
def test_a_feature_that_breaks_is_named_and_the_report_is_json(baseline, broken):
    report = judge_drift(baseline, changed("quiet", lambda column: np.full_like(column, broken)))
    assert report.drifted[0].name == "quiet"
    assert report.verdict is Verdict.DRIFTED
    assert json.loads(json.dumps(report.to_json(), allow_nan=False))["drifted"] == ["quiet"]


def test_a_sparse_feature_can_still_drift_by_its_nulls(baseline):
    report = judge_drift(baseline, changed("sparse", np.nan_to_num))
    assert report.drifted[0].name == "sparse"


def test_few_rows_are_insufficient_not_stable(baseline):
    report = judge_drift(baseline, rows(7, seed=1)[0][:499])
    assert report.verdict is Verdict.INSUFFICIENT
    assert report.reason == "499 rows; at least 500 are needed to judge"
    assert report.features == ()


def test_a_stretch_shorter_than_any_known_variation_is_insufficient(baseline):
    report = judge_drift(baseline, rows(7, seed=1)[0], span=timedelta(hours=6))
    assert report.verdict is Verdict.INSUFFICIENT
    assert report.reason == "the window covers 0.25 days; the shortest stretch with known variation is 1"


def test_the_natural_variation_of_stretches_as_long_as_the_window_is_used():
    generator = np.random.default_rng(2)
    times = np.arange(100 * 600) * (DAY_US // 600)
    level = generator.normal(size=100).repeat(600)  # another level every day
    values = (level + 0.1 * generator.normal(size=len(times))).astype(np.float32)[:, None]
    baseline = build_baseline(values, names=["x"], roles=["state"], importances=[1.0], times=times)
    day = values[:600] * 0 + np.float32(1.5) + generator.normal(size=(600, 1)).astype(np.float32) * np.float32(0.1)
    assert judge_drift(baseline, day, span=timedelta(days=1)).verdict is Verdict.STABLE
    assert judge_drift(baseline, day, span=timedelta(days=7)).verdict is Verdict.DRIFTED


def test_a_short_reference_judges_weeks_by_its_days():
    """Wide, but not blind: what a feature does from day to day is not called drift of a week."""
    generator = np.random.default_rng(4)
    times = np.arange(30 * 200) * (DAY_US // 200)
    values = (np.sin(np.arange(30)).repeat(200) + generator.normal(size=len(times))).astype(np.float32)[:, None]
    baseline = build_baseline(values, names=["x"], roles=["state"], importances=[1.0], times=times)
    assert judge_drift(baseline, values[1_400:2_800], span=timedelta(days=7)).verdict is Verdict.STABLE
    assert judge_drift(baseline, values[1_400:2_800] * 60, span=timedelta(days=7)).verdict is Verdict.DRIFTED


def test_independent_windows_raise_no_alarm(baseline):
    for seed in range(20):
        assert judge_drift(baseline, rows(7, seed=100 + seed)[0]).drifted == ()


def test_windows_may_be_sketched_apart_and_judged_together(baseline):
    values = changed("mean_delay", lambda column: column * 60)
    sketches = [
        sketch_feature(reference, values[:400, i]) + sketch_feature(reference, values[400:, i])
        for i, reference in enumerate(baseline.features)
    ]
    whole = judge_drift(baseline, values)
    parts = judge_sketches(baseline, sketches)
    assert [feature.name for feature in parts.drifted] == [feature.name for feature in whole.drifted]
    assert parts.features[0].excess == pytest.approx(whole.features[0].excess)


def test_another_matrix_is_refused(baseline):
    with pytest.raises(InvalidInputError, match=r"float32\[9, 2\]; expected float32\[n, 5\]"):
        judge_drift(baseline, np.zeros((9, 2), dtype=np.float32))
