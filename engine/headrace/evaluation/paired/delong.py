"""DeLong's test: two AUCs on the same independent rows, without resampling.

Rows must be independent of each other. Rows of one day that share weather are not: its intervals are then too short,
and the block bootstrap is right.
Reference: DeLong, DeLong and Clarke-Pearson, Biometrics 44 (1988); Sun and Xu, IEEE Signal Processing Letters 21 (2014)
for an O(n log n) form.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from headrace.evaluation.figures import Figure
from headrace.evaluation.metrics import Labels, Scores
from headrace.monitoring.performance import placements


@dataclass(frozen=True)
class DeLong:
    """Two AUCs compared.

    Attributes:
        first: the AUC of the first scores.
        second: that of the second.
        difference: first minus second, with its interval and error.
        p_value: two-sided, of no difference.
    """

    first: Figure
    second: Figure
    difference: Figure
    p_value: float


def delong(labels: Labels, first: Scores, second: Scores, *, confidence: float = 0.95) -> DeLong:
    """Compare two AUCs on the same rows; all NaN where a class has fewer than two rows.

    Args:
        labels: bool[n].
        first: float64[n], no NaN.
        second: float64[n], no NaN.
        confidence: of the intervals.
    """
    from scipy.special import ndtr, ndtri

    positives, negatives = int(labels.sum()), int(labels.size - labels.sum())
    if min(positives, negatives) < 2:
        nothing = Figure(math.nan, math.nan, math.nan)
        return DeLong(nothing, nothing, nothing, math.nan)
    above, below = zip(*(_placements(labels, scores) for scores in (first, second)), strict=True)
    areas = [float(part.mean()) for part in above]
    covariance = np.cov(np.stack(above)) / positives + np.cov(np.stack(below)) / negatives
    reach = float(ndtri((1 + confidence) / 2))

    def figure(value: float, variance: float) -> Figure:
        error = math.sqrt(max(variance, 0.0))
        return Figure(value, value - reach * error, value + reach * error, error)

    spread = float(covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1])
    difference = figure(areas[0] - areas[1], spread)
    steps = abs(difference.value) / difference.error if difference.error else (math.inf if difference.value else 0.0)
    ends = [figure(area, float(covariance[place, place])) for place, area in enumerate(areas)]
    return DeLong(ends[0], ends[1], difference, float(2 * ndtr(-steps)))


def _placements(labels: Labels, scores: Scores) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Of each positive the share of negatives below it, of each negative that of positives above; ties count half."""
    positives, negatives = scores[labels], scores[~labels]
    return placements(positives, np.sort(negatives)), 1.0 - placements(negatives, np.sort(positives))
