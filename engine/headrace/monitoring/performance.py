"""Realised quality once labels are in: per window of time, with intervals, on numpy alone."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headrace.core.errors import InvalidInputError

_Z95 = 1.959963984540054  # normal quantile at 0.975
_SMALLEST = 1e-15  # of a probability, in the logarithm


@dataclass(frozen=True)
class WindowPerformance:
    """One window's quality.

    Attributes:
        start, end: UTC; a row counts when start <= time < end.
        rows: predictions; labelled: those whose label is known.
        auc, auc_low, auc_high: with the 95 % interval of DeLong; None without both classes.
        log_loss, brier: None without labelled rows.
        mean_score, base_rate: None without labelled rows; far apart, the model is not calibrated any more.
    """

    start: datetime
    end: datetime
    rows: int
    labelled: int
    auc: float | None
    auc_low: float | None
    auc_high: float | None
    log_loss: float | None
    brier: float | None
    mean_score: float | None
    base_rate: float | None

    def to_json(self) -> dict[str, Any]:
        """JSON data for reports."""
        return {**asdict(self), "start": self.start.isoformat(), "end": self.end.isoformat()}


def performance_by_window(
    times: NDArray[np.int64],
    scores: NDArray[np.floating[Any]],
    labels: NDArray[np.floating[Any]],
    *,
    start: datetime,
    window: timedelta,
) -> list[WindowPerformance]:
    """Measure quality in consecutive windows, from `start` to the last row; windows without rows are kept.

    Args:
        times: int64[n], us UTC: when each prediction was asked; rows before `start` are left out.
        scores: floating[n], probabilities of the positive class; no NaN.
        labels: floating[n], 1 or 0; NaN = not known yet.
        start: aware; of the first window.
        window: length of each.

    Raises:
        InvalidInputError: lengths disagree, a score is NaN, or the window is empty.
    """
    if not len(times) == len(scores) == len(labels) or np.isnan(scores).any() or window <= timedelta(0):
        raise InvalidInputError(
            f"{len(times)} times, {len(scores)} scores, {len(labels)} labels, windows of {window}: the lengths must "
            "agree, no score may be NaN, and a window must be longer than 0"
        )
    step = round(window / timedelta(microseconds=1))
    origin = round(start.timestamp() * 1_000_000)
    numbers = (times - origin) // step
    last = int(numbers.max(initial=-1))
    found = []
    for number in range(last + 1):
        rows = numbers == number
        opening = datetime.fromtimestamp((origin + number * step) / 1_000_000, UTC)
        found.append(_measure(scores[rows].astype(np.float64), labels[rows].astype(np.float64), opening, window))
    return found


def _measure(
    scores: NDArray[np.float64], labels: NDArray[np.float64], start: datetime, window: timedelta
) -> WindowPerformance:
    known = ~np.isnan(labels)
    p, y = scores[known], labels[known]
    auc = area_under_curve(p, y)
    half = None if auc is None else _Z95 * auc[1]
    clipped = np.clip(p, _SMALLEST, 1.0 - _SMALLEST)
    some = len(p) > 0
    return WindowPerformance(
        start=start,
        end=start + window,
        rows=len(scores),
        labelled=len(p),
        auc=auc[0] if auc else None,
        auc_low=max(0.0, auc[0] - half) if auc and half is not None else None,
        auc_high=min(1.0, auc[0] + half) if auc and half is not None else None,
        log_loss=float(-np.mean(y * np.log(clipped) + (1 - y) * np.log1p(-clipped))) if some else None,
        brier=float(np.mean((p - y) ** 2)) if some else None,
        mean_score=float(p.mean()) if some else None,
        base_rate=float(y.mean()) if some else None,
    )


def area_under_curve(scores: NDArray[np.float64], labels: NDArray[np.float64]) -> tuple[float, float] | None:
    """Area under the ROC curve and its standard error; ties count half. None without both classes.

    Args:
        scores: float64[n], no NaN.
        labels: float64[n], 1 or 0.

    Complexity: O(n log n). The standard error is 0 with one row in a class.
    Reference: DeLong, DeLong and Clarke-Pearson (1988); Sun and Xu (2014) for the mid-rank form.
    """
    positive, negative = np.sort(scores[labels == 1.0]), np.sort(scores[labels == 0.0])
    m, n = len(positive), len(negative)
    if m == 0 or n == 0:
        return None
    wins = placements(positive, negative)  # of each positive: part of the negatives below it
    losses = 1.0 - placements(negative, positive)
    area = float(wins.mean())
    variance = (wins.var(ddof=1) / m if m > 1 else 0.0) + (losses.var(ddof=1) / n if n > 1 else 0.0)
    return area, math.sqrt(float(variance))


def placements(values: NDArray[np.float64], others: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of each value the share of the others below it, ties half: float64[n]. `others` must be sorted."""
    below = np.searchsorted(others, values, side="left") + np.searchsorted(others, values, side="right")
    shares: NDArray[np.float64] = below / (2.0 * len(others))
    return shares


def quality_loss(reference_auc: float, window: WindowPerformance) -> float | None:
    """How far a window's AUC lies below the champion's beyond its own interval; 0 when not, None without an AUC."""
    return None if window.auc_high is None else max(0.0, reference_auc - window.auc_high)
