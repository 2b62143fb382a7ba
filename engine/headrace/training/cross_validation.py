"""Cross-validation over walk-forward folds: one model a fold, and how much its quality varies with the months."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from headrace.core.progress import Progress, SilentProgress
from headrace.training.binning import bin_data
from headrace.training.dataset import TrainingData
from headrace.training.settings import TrainingSettings
from headrace.training.split import SplitMasks
from headrace.training.trainer import boost


@dataclass(frozen=True)
class Fold:
    """One fold's outcome.

    Attributes:
        rows_train, rows_valid: labelled rows of its parts.
        trees: at which early stopping found the best value.
        value: the watched metric there.
        curve: (trees, value) of all rounds.
    """

    rows_train: int
    rows_valid: int
    trees: int
    value: float
    curve: tuple[tuple[int, float], ...]


@dataclass(frozen=True)
class CrossValidation:
    """What the folds say together.

    Attributes:
        metric: what was watched.
        folds: oldest first.
    """

    metric: str
    folds: tuple[Fold, ...]

    @property
    def mean(self) -> float:
        """Mean of the folds' values."""
        return float(np.mean([fold.value for fold in self.folds]))

    @property
    def std(self) -> float:
        """Standard deviation of the folds' values; NaN of a single one."""
        return float(np.std([fold.value for fold in self.folds], ddof=1)) if len(self.folds) > 1 else float("nan")

    def to_json(self) -> dict[str, Any]:
        """Encode as JSON data."""
        return {
            "metric": self.metric,
            "mean": self.mean,
            "std": self.std if len(self.folds) > 1 else None,
            "folds": [
                {
                    "rows": {"train": fold.rows_train, "valid": fold.rows_valid},
                    "trees": fold.trees,
                    "value": fold.value,
                    "curve": [list(point) for point in fold.curve],
                }
                for fold in self.folds
            ],
        }


def cross_validate(
    data: TrainingData, settings: TrainingSettings, folds: Sequence[SplitMasks], *, progress: Progress | None = None
) -> CrossValidation:
    """Train and judge on each fold; bins are made from the fold's training rows alone.

    Args:
        data: matrix and labels; its own split is not used.
        settings: objective, parameters, limits.
        folds: from `WalkForward.masks`, labelled rows only.
        progress: where to report: a step of one count a fold.

    Raises:
        FailedCheckError: a fold's part has labels from which nothing can be learnt.
    """
    found = []
    with (progress or SilentProgress()).step("cross-validation", total=len(folds)) as step:
        for split in folds:
            trained = boost(bin_data(data.with_split(split), settings), settings)
            found.append(
                Fold(
                    rows_train=int(split.train.sum()),
                    rows_valid=int(split.valid.sum()),
                    trees=trained.best_iteration,
                    value=trained.best_value,
                    curve=tuple((point.trees, point.value) for point in trained.curve),
                )
            )
            step.advance()
            step.note(f"{settings.watched.name} {trained.best_value:.4f}")
    return CrossValidation(settings.watched.name, tuple(found))
