"""What one score says about one set of labels: figures, curve, calibration; the same for a model and a baseline."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from headrace.evaluation.calibration import Calibration, calibrate
from headrace.evaluation.curves import RocCurve, roc_curve
from headrace.evaluation.figures import Figure
from headrace.evaluation.measures import measure
from headrace.evaluation.metrics import Scores
from headrace.evaluation.resampling import Resamples
from headrace.evaluation.task import Question, Task

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
        figures: metric -> figure, by the task.
        roc: the ROC curve of a binary model.
        calibration: the reliability curve of a binary model.
    """

    figures: Mapping[str, Figure]
    roc: RocCurve | None = None
    calibration: Calibration | None = None

    def to_json(self) -> dict[str, Any]:
        """Encode as JSON data."""
        return {
            "figures": {name: figure.to_json() for name, figure in self.figures.items()},
            "roc": self.roc.to_json() if self.roc is not None else None,
            "calibration": self.calibration.to_json() if self.calibration is not None else None,
        }


def assess(
    question: Question,
    labels: npt.NDArray[Any],
    scores: Scores,
    resamples: Resamples,
    settings: EvaluationSettings,
    queries: npt.NDArray[np.int64] | None = None,
) -> tuple[Assessment, Replicates]:
    """Judge predictions.

    Returns:
        The assessment, and metric -> float64[R] of the bootstrap replicates for paired differences.
    """
    measured = measure(question, labels, scores, resamples, queries)
    figures = {
        name: Figure.of_replicates(value, measured.replicates[name], settings.confidence, blocks=resamples.n_blocks)
        for name, value in measured.values.items()
    }
    if question.task is not Task.BINARY:
        return Assessment(figures), measured.replicates
    calibration = calibrate(labels, scores, resamples, n_bins=settings.calibration_bins, confidence=settings.confidence)
    assessment = Assessment(figures | {"ece": calibration.ece}, roc_curve(labels, scores), calibration)
    return assessment, measured.replicates
