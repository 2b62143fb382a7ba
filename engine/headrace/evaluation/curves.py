"""Curves for pictures: ROC points, thinned to what a picture can show."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from headrace.evaluation.metrics import Labels, Scores

MAX_POINTS = 200


@dataclass(frozen=True)
class RocCurve:
    """Points of the ROC curve from (0, 0) to (1, 1), at most `MAX_POINTS`, evenly spread over the curve's length."""

    false_positive_rate: tuple[float, ...]
    true_positive_rate: tuple[float, ...]

    def to_json(self) -> dict[str, Any]:
        """Encode as JSON data."""
        return {
            "false_positive_rate": list(self.false_positive_rate),
            "true_positive_rate": list(self.true_positive_rate),
        }


def roc_curve(labels: Labels, scores: Scores) -> RocCurve:
    """ROC curve of a score; empty where a class is absent. Equal scores are one step. O(n log n)."""
    n_positives = int(labels.sum())
    if n_positives in {0, labels.size}:
        return RocCurve((), ())
    order = np.argsort(-scores, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(scores[order])), labels.size - 1)
    hits = np.append(0, np.cumsum(labels[order])[ends])
    falses = np.append(0, ends + 1) - hits
    x, y = falses / (labels.size - n_positives), hits / n_positives
    length = np.append(0.0, np.cumsum(np.abs(np.diff(x)) + np.abs(np.diff(y))))
    kept = np.unique(np.searchsorted(length, np.linspace(0, length[-1], MAX_POINTS)).clip(0, x.size - 1))
    kept = np.unique(np.concatenate([[0], kept, [x.size - 1]]))[-MAX_POINTS:]
    return RocCurve(tuple(x[kept].tolist()), tuple(y[kept].tolist()))
