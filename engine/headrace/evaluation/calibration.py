"""Calibration: whether 30 % means 30 %."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from headrace.evaluation.figures import Figure
from headrace.evaluation.metrics import Labels, Scores
from headrace.evaluation.resampling import Resamples


@dataclass(frozen=True)
class CalibrationBin:
    """One bin of the reliability curve.

    Attributes:
        rows: rows in the bin.
        mean_score: what the model said, on average.
        rate: what happened, with its interval.
    """

    rows: int
    mean_score: float
    rate: Figure

    def to_json(self) -> dict[str, Any]:
        """Encode as JSON data."""
        return {"rows": self.rows, "mean_score": self.mean_score, "rate": self.rate.to_json()}


@dataclass(frozen=True)
class Calibration:
    """Reliability curve and expected calibration error.

    Attributes:
        bins: bins of equally many rows, lowest scores first.
        ece: mean over rows of |rate - mean score| of the row's bin.
    """

    bins: tuple[CalibrationBin, ...]
    ece: Figure

    def to_json(self) -> dict[str, Any]:
        """Encode as JSON data."""
        return {"bins": [one.to_json() for one in self.bins], "ece": self.ece.to_json()}


def calibrate(labels: Labels, scores: Scores, resamples: Resamples, *, n_bins: int, confidence: float) -> Calibration:
    """Compare scores with what happened, in bins of equally many rows; equal scores share a bin.

    Args:
        labels: bool[n].
        scores: float64[n], probabilities.
        resamples: the draws for the intervals.
        n_bins: bins asked for; fewer come where scores repeat.
        confidence: of the intervals.

    Reference: Naeini et al., AAAI 2015 (ECE); Nixon et al., CVPR workshops 2019 (equal-mass bins).
    """
    edges = np.unique(np.quantile(scores, np.linspace(0, 1, n_bins + 1)[1:-1])) if scores.size else np.empty(0)
    codes = np.searchsorted(edges, scores, "left")
    kept, blocks = np.unique(codes), resamples.n_blocks
    bins, gaps = [], []
    for code in kept:
        inside = codes == code
        rows, said, happened = (resamples.totals(part) for part in _parts(labels, scores, inside))
        with np.errstate(invalid="ignore"):
            rate = Figure.of_replicates(float(labels[inside].mean()), happened / rows, confidence, blocks=blocks)
        bins.append(CalibrationBin(int(inside.sum()), float(scores[inside].mean()), rate))
        gaps.append(np.abs(happened - said))
    value = sum(one.rows * abs(one.rate.value - one.mean_score) for one in bins) / scores.size if bins else float("nan")
    replicates = np.sum(gaps, axis=0) / resamples.totals(np.ones(scores.size)) if gaps else np.empty(0)
    return Calibration(
        tuple(bins), _widened(Figure.of_replicates(value, replicates, confidence, blocks=blocks), replicates)
    )


def _widened(ece: Figure, replicates: npt.NDArray[np.float64]) -> Figure:
    """The interval of an expected calibration error, its low end allowing for what chance adds.

    A mean of absolute gaps lies above the truth, most where the truth is 0: chance adds about s to it there, and about
    sqrt(2) s to a replicate, which holds the chance of the sample and of the draw. The low end goes down by sqrt(2) s,
    with s from how far replicates lie above the value. The high end stays: a gate on the most that is allowed errs on
    the safe side. Reference: Bröcker, Climate Dynamics 39 (2012), on the bias of the reliability component.
    """
    if not replicates.size or math.isnan(ece.low):
        return ece
    excess = max(0.0, float(np.nanmean(replicates)) - ece.value)
    return replace(ece, low=max(0.0, ece.low - excess * math.sqrt(2) / (math.sqrt(2) - 1)))


def _parts(labels: Labels, scores: Scores, inside: Labels) -> tuple[npt.NDArray[np.float64], ...]:
    return inside.astype(np.float64), np.where(inside, scores, 0.0), (labels & inside).astype(np.float64)
