"""Slices: the same figures for every group that is large enough to say something."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from headrace.evaluation import metrics
from headrace.evaluation.assessment import EvaluationSettings
from headrace.evaluation.figures import Figure
from headrace.evaluation.metrics import Labels, Scores
from headrace.evaluation.resampling import Resamples

SLICE_METRICS = ("auc", "log_loss", "brier")


@dataclass(frozen=True)
class Slice:
    """One group.

    Attributes:
        group: its name.
        rows: its rows.
        label_rate: share of positives.
        mean_score: mean of the scores.
        figures: metric -> figure, the names of `SLICE_METRICS`.
    """

    group: str
    rows: int
    label_rate: float
    mean_score: float
    figures: Mapping[str, Figure]

    def to_json(self) -> dict[str, Any]:
        """Encode as JSON data."""
        return {
            "group": self.group,
            "rows": self.rows,
            "label_rate": self.label_rate,
            "mean_score": self.mean_score,
            "figures": {name: figure.to_json() for name, figure in self.figures.items()},
        }


@dataclass(frozen=True)
class Gap:
    """Difference of a metric between two groups, highest minus lowest on the sample, with the pair's interval."""

    highest: str
    lowest: str
    figure: Figure

    def to_json(self) -> dict[str, Any]:
        """Encode as JSON data."""
        return {"highest": self.highest, "lowest": self.lowest, "figure": self.figure.to_json()}


@dataclass(frozen=True)
class Slicing:
    """The groups of one column.

    Attributes:
        slices: groups with enough rows and both classes, most rows first.
        gaps: metric -> widest gap between two of them; absent where fewer than two groups were judged.
        left_out: groups too small, or of one class.
    """

    slices: tuple[Slice, ...]
    gaps: Mapping[str, Gap]
    left_out: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Encode as JSON data."""
        return {
            "slices": [one.to_json() for one in self.slices],
            "gaps": {name: gap.to_json() for name, gap in self.gaps.items()},
            "left_out": list(self.left_out),
        }


@dataclass(frozen=True)
class _Judged:
    slice: Slice
    replicates: Mapping[str, npt.NDArray[np.float64]]


def slice_by(
    labels: Labels, scores: Scores, groups: npt.NDArray[Any], resamples: Resamples, settings: EvaluationSettings
) -> Slicing:
    """Judge each group of a column.

    Args:
        labels: bool[n].
        scores: float64[n].
        groups: [n], the group of each row; None is a group of its own, named `(missing)`.
        resamples: the draws for the intervals.
        settings: smallest slice and confidence.
    """
    texts = np.array(["(missing)" if group is None else str(group) for group in groups.tolist()])
    names, codes = np.unique(texts, return_inverse=True)
    judged, left_out = [], []
    for code, name in enumerate(names.tolist()):
        rows = np.flatnonzero(codes == code)
        if rows.size < settings.min_slice_rows or labels[rows].all() or not labels[rows].any():
            left_out.append(name)
        else:
            judged.append(_judge(name, labels[rows], scores[rows], resamples.subset(rows), settings))
    judged.sort(key=lambda one: (-one.slice.rows, one.slice.group))
    gaps = {name: _gap(judged, name, settings.confidence) for name in SLICE_METRICS} if len(judged) > 1 else {}
    return Slicing(tuple(one.slice for one in judged), gaps, tuple(left_out))


def _judge(name: str, labels: Labels, scores: Scores, resamples: Resamples, settings: EvaluationSettings) -> _Judged:
    log_losses, brier_losses = metrics.log_losses(labels, scores), metrics.brier_losses(labels, scores)
    values = {
        "auc": metrics.auc(labels, scores),
        "log_loss": float(log_losses.mean()),
        "brier": float(brier_losses.mean()),
    }
    replicates = {
        "auc": resamples.auc(labels, scores),
        "log_loss": resamples.means(log_losses),
        "brier": resamples.means(brier_losses),
    }
    figures = {m: Figure.of_replicates(values[m], replicates[m], settings.confidence) for m in SLICE_METRICS}
    return _Judged(Slice(name, labels.size, float(labels.mean()), float(scores.mean()), figures), replicates)


def _gap(judged: list[_Judged], metric: str, confidence: float) -> Gap:
    ranked = sorted(judged, key=lambda one: one.slice.figures[metric].value)
    lowest, highest = ranked[0], ranked[-1]
    value = highest.slice.figures[metric].value - lowest.slice.figures[metric].value
    replicates = highest.replicates[metric] - lowest.replicates[metric]
    return Gap(highest.slice.group, lowest.slice.group, Figure.of_replicates(value, replicates, confidence))
