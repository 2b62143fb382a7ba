"""Drift: is this window of rows what the model was built on, judged feature by feature and then as a whole.

A statistic counts when it passes its default threshold *and* what the reference's own weeks do: weather and delays of
one week resemble each other, so that a fixed threshold calls every second clean week a drift.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from enum import Enum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headrace.core.hashing import finite_or_none
from headrace.monitoring.baseline import Baseline, scale
from headrace.monitoring.reference import (
    FeatureReference,
    NaturalLimits,
    decile_bins,
    population_stability,
)
from headrace.monitoring.significance import (
    chi_square_critical,
    chi_square_tail,
    false_discovery_rejections,
    rate_p_value,
)
from headrace.monitoring.sketch import READ_ROLES, FeatureSketch, check_columns, distance_of, sketch_feature


@dataclass(frozen=True)
class DriftSettings:
    """Thresholds; each is a floor below which a statistic never counts, whatever the reference does naturally.

    Attributes:
        min_rows: windows, and features within them, with fewer values say "insufficient".
        wasserstein: in reference standard deviations.
        psi: raised to the chi-square critical value of the two sample sizes.
        null_rate: difference of the rates.
        unseen: part of the values that a vocabulary of at most 512 values does not have; state and request features.
        alpha: false discovery rate over all features.
        important_share: gain share from which one feature makes the whole window drift.
        drifted_share: part of the judged features that makes the whole window drift.
        unjudged_roles: calendar features move with the date by design.
    """

    min_rows: int = 500
    wasserstein: float = 0.1
    psi: float = 0.1
    null_rate: float = 0.02
    unseen: float = 0.05
    alpha: float = 0.05
    important_share: float = 0.05
    drifted_share: float = 0.3
    unjudged_roles: frozenset[str] = frozenset({"calendar"})


class Verdict(Enum):
    """What is said of a feature or of a window."""

    STABLE = "stable"
    DRIFTED = "drifted"
    INSUFFICIENT = "insufficient"  # too few rows, or too short a stretch, to say anything
    NOT_JUDGED = "not_judged"


@dataclass(frozen=True)
class DriftStatistic:
    """One statistic of one feature: `value` above `limit` counts; both in the statistic's own unit."""

    name: str
    value: float
    limit: float

    @property
    def excess(self) -> float:
        """How many times its limit the value is."""
        return self.value / self.limit


@dataclass(frozen=True)
class FeatureDrift:
    """What the window says about one feature.

    Attributes:
        p_value: of the window's rows being independent draws from the reference; 1 when nothing was judged.
        excess: largest excess of its statistics; 0 when nothing was judged.
    """

    name: str
    role: str
    importance: float
    verdict: Verdict
    statistics: tuple[DriftStatistic, ...] = ()
    p_value: float = 1.0

    @property
    def excess(self) -> float:
        """Largest excess of its statistics; 0 when nothing was judged."""
        return max((statistic.excess for statistic in self.statistics), default=0.0)

    @property
    def cause(self) -> str | None:
        """Name of the statistic with the largest excess."""
        return max(self.statistics, key=lambda s: s.excess).name if self.statistics else None


@dataclass(frozen=True)
class DriftReport:
    """What the window says as a whole.

    Attributes:
        verdict: DRIFTED when an important feature, or a large part of them, does.
        reason: one sentence.
        features: drifted ones first, of those the important ones, then the furthest beyond its limit.
    """

    verdict: Verdict
    reason: str
    rows: int
    features: tuple[FeatureDrift, ...]

    @property
    def drifted(self) -> tuple[FeatureDrift, ...]:
        """Features that drifted, in the order to look at them."""
        return tuple(feature for feature in self.features if feature.verdict is Verdict.DRIFTED)

    def to_json(self) -> dict[str, Any]:
        """JSON data for reports and scripts."""
        return {
            "verdict": self.verdict.value,
            "reason": self.reason,
            "rows": self.rows,
            "drifted": [feature.name for feature in self.drifted],
            "features": [
                {
                    **asdict(feature),
                    "verdict": feature.verdict.value,
                    "excess": finite_or_none(feature.excess),
                    "cause": feature.cause,
                    "statistics": [asdict(s) | {"excess": finite_or_none(s.excess)} for s in feature.statistics],
                }
                for feature in self.features
            ],
        }


def judge_drift(
    baseline: Baseline,
    values: NDArray[np.float32],
    *,
    span: timedelta | None = None,
    settings: DriftSettings = DriftSettings(),
) -> DriftReport:
    """Judge a window of rows against a baseline.

    Args:
        baseline: from the model's package.
        values: float32[n, F], columns in the baseline's order; NaN = missing.
        span: time the window covers; natural variation of the longest stretches that fit into it is used. None: of the
            longest there are.
        settings: thresholds.

    Complexity: O(F n log edges).

    Raises:
        InvalidInputError: the matrix is not float32 with one column a feature of the baseline.
    """
    check_columns(values, baseline.names)
    sketches = [sketch_feature(reference, values[:, i]) for i, reference in enumerate(baseline.features)]
    return judge_sketches(baseline, sketches, span=span, settings=settings)


def judge_sketches(
    baseline: Baseline,
    sketches: Sequence[FeatureSketch],
    *,
    span: timedelta | None = None,
    settings: DriftSettings = DriftSettings(),
) -> DriftReport:
    """Judge sketched rows, as `judge_drift` does rows: sketches of several windows can be added first."""
    rows = max((sketch.rows for sketch in sketches), default=0)
    if rows < settings.min_rows:
        return DriftReport(
            Verdict.INSUFFICIENT, f"{rows} rows; at least {settings.min_rows} are needed to judge", rows, ()
        )
    shortest = min((limits.block_days for limits in baseline.features[0].natural), default=0.0)
    days = None if span is None else span / timedelta(days=1)
    if days is not None and days < shortest:
        reason = f"the window covers {days:.2f} days; the shortest stretch with known variation is {shortest:g}"
        return DriftReport(Verdict.INSUFFICIENT, reason, rows, ())
    judged = [
        _judge_feature(reference, sketch, _natural(reference, days), settings)
        for reference, sketch in zip(baseline.features, sketches, strict=True)
    ]
    return _conclude(judged, rows, settings)


def _natural(reference: FeatureReference, days: float | None) -> NaturalLimits | None:
    fitting = [limits for limits in reference.natural if days is None or limits.block_days <= days * 1.01]
    return max(fitting, key=lambda limits: limits.block_days, default=None)


def _judge_feature(
    reference: FeatureReference, sketch: FeatureSketch, natural: NaturalLimits | None, settings: DriftSettings
) -> FeatureDrift:
    identity = (reference.name, reference.role, reference.importance)
    if reference.role in settings.unjudged_roles:
        return FeatureDrift(*identity, Verdict.NOT_JUDGED)
    natural = natural or NaturalLimits(0.0, 0)
    nulls = abs(sketch.nulls / sketch.rows - reference.null_rate)
    statistics = [DriftStatistic("null_rate", nulls, max(settings.null_rate, natural.null_rate))]
    p_value = rate_p_value(sketch.nulls, sketch.rows, reference.nulls, reference.rows)
    if min(sketch.values, reference.values) >= settings.min_rows:
        found, p_values = _judge_values(reference, sketch, natural, settings)
        statistics += found
        p_value = min(1.0, 3.0 * min(p_value, *p_values))  # Bonferroni over the three tests of one feature
    exceeded = any(statistic.excess > 1.0 for statistic in statistics)
    enough = len(statistics) > 1 or exceeded
    verdict = Verdict.DRIFTED if exceeded else Verdict.STABLE if enough else Verdict.INSUFFICIENT
    return FeatureDrift(*identity, verdict, tuple(statistics), p_value)


def _judge_values(
    reference: FeatureReference, sketch: FeatureSketch, natural: NaturalLimits, settings: DriftSettings
) -> tuple[list[DriftStatistic], tuple[float, float]]:
    """Statistics of the values, and the p-values of their histogram and of their leaving the reference's support."""
    edges, counts, old = np.array(reference.edges), np.array(sketch.counts), np.array(reference.counts)
    deciles = decile_bins(old)
    binned = np.bincount(deciles, counts)
    binned[-1] += sketch.above
    psi = population_stability(binned, np.bincount(deciles, old))
    degrees = int(deciles[-1])
    noise = 1.0 / sketch.values + 1.0 / reference.values
    critical = chi_square_critical(settings.alpha, degrees) * noise if degrees else 0.0
    distance_limit = max(settings.wasserstein, natural.wasserstein)
    statistics = [
        DriftStatistic("wasserstein", distance_of(reference, sketch) / scale(reference.std, edges), distance_limit),
        DriftStatistic("psi", psi, max(settings.psi, critical, natural.psi)),
    ]
    if reference.discrete and reference.role in READ_ROLES:
        unseen = sketch.outside / sketch.values
        statistics.append(DriftStatistic("unseen", unseen, max(settings.unseen, natural.unseen)))
    histogram = chi_square_tail(psi / noise, degrees) if degrees else 1.0
    support = rate_p_value(sketch.outside, sketch.values, 0, reference.values)
    return statistics, (histogram, support)


def _conclude(judged: Sequence[FeatureDrift], rows: int, settings: DriftSettings) -> DriftReport:
    """Hold the false discovery rate over the features, order them, and give the window's verdict."""
    real = false_discovery_rejections([feature.p_value for feature in judged], settings.alpha)
    features = sorted(
        (
            feature if significant or feature.verdict is not Verdict.DRIFTED else _cleared(feature)
            for feature, significant in zip(judged, real, strict=True)
        ),
        key=lambda feature: _rank(feature, settings),
    )
    drifted = [feature for feature in features if feature.verdict is Verdict.DRIFTED]
    considered = [f for f in features if f.verdict in {Verdict.DRIFTED, Verdict.STABLE}]
    important = [feature.name for feature in drifted if feature.importance >= settings.important_share]
    if important:
        reason = f"{', '.join(important)} drifted, with at least {settings.important_share:.0%} of the model's gain"
    else:
        reason = f"{len(drifted)} of {len(considered)} features drifted"
    whole = bool(important) or (bool(drifted) and len(drifted) >= settings.drifted_share * len(considered))
    return DriftReport(Verdict.DRIFTED if whole else Verdict.STABLE, reason, rows, tuple(features))


def _rank(feature: FeatureDrift, settings: DriftSettings) -> tuple[bool, bool, float, str]:
    """Drifted features first, of those the important ones, and then the furthest beyond its limit."""
    drifted = feature.verdict is Verdict.DRIFTED
    return not drifted, not (drifted and feature.importance >= settings.important_share), -feature.excess, feature.name


def _cleared(feature: FeatureDrift) -> FeatureDrift:
    return FeatureDrift(
        feature.name, feature.role, feature.importance, Verdict.STABLE, feature.statistics, feature.p_value
    )
