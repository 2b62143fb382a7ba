"""What one score says about one set of labels: figures, curve, calibration; the same for a model and a baseline."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from headrace.evaluation import metrics
from headrace.evaluation.calibration import Calibration, calibrate
from headrace.evaluation.curves import RocCurve, roc_curve
from headrace.evaluation.figures import Figure
from headrace.evaluation.metrics import Labels, Scores
from headrace.evaluation.resampling import Resamples

Replicates = Mapping[str, npt.NDArray[np.float64]]


@dataclass(frozen=True)
class EvaluationSettings:
    """Defaults of an evaluation; every number is a setting.

    Attributes:
        replicates: bootstrap draws.
        confidence: of every interval.
        seed: of the draws.
        calibration_bins: bins of the reliability curve.
        min_slice_rows: a slice with fewer rows is counted, not judged.
    """

    replicates: int = 1_000
    confidence: float = 0.95
    seed: int = 0
    calibration_bins: int = 15
    min_slice_rows: int = 200


@dataclass(frozen=True)
class Assessment:
    """One score judged.

    Attributes:
        figures: metric -> figure, the names of `metrics.HIGHER_IS_BETTER`.
        roc: the ROC curve.
        calibration: the reliability curve.
    """

    figures: Mapping[str, Figure]
    roc: RocCurve
    calibration: Calibration

    def to_json(self) -> dict[str, Any]:
        """Encode as JSON data."""
        return {
            "figures": {name: figure.to_json() for name, figure in self.figures.items()},
            "roc": self.roc.to_json(),
            "calibration": self.calibration.to_json(),
        }


def assess(
    labels: Labels, scores: Scores, resamples: Resamples, settings: EvaluationSettings
) -> tuple[Assessment, Replicates]:
    """Judge a score.

    Returns:
        The assessment, and metric -> float64[R] of the bootstrap replicates for paired differences.
    """
    values = {
        "auc": metrics.auc(labels, scores),
        "average_precision": metrics.average_precision(labels, scores),
        "log_loss": metrics.log_loss(labels, scores),
        "brier": metrics.brier(labels, scores),
    }
    replicates = {
        "auc": resamples.auc(labels, scores),
        "average_precision": resamples.average_precision(labels, scores),
        "log_loss": resamples.means(metrics.log_losses(labels, scores)),
        "brier": resamples.means(metrics.brier_losses(labels, scores)),
    }
    calibration = calibrate(labels, scores, resamples, n_bins=settings.calibration_bins, confidence=settings.confidence)
    figures = {
        name: Figure.of_replicates(value, replicates[name], settings.confidence) for name, value in values.items()
    }
    assessment = Assessment(figures | {"ece": calibration.ece}, roc_curve(labels, scores), calibration)
    return assessment, replicates
