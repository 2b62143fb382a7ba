"""A trained model in memory: the booster, how training went, what it learnt from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from headrace.packaging.calibrator import Calibrator
from headrace.training.settings import TrainingSettings


@dataclass(frozen=True)
class CurvePoint:
    """The validation metric after some number of trees."""

    trees: int
    value: float


@dataclass(frozen=True)
class TrainedModel:
    """What training gave.

    Attributes:
        booster: LightGBM's booster, for the exporter.
        names: feature names, in the matrix's order.
        best_iteration: trees the model uses; later ones, grown before training stopped, are not part of it.
        curve: the validation metric tree by tree; empty after a refit, which has no validation.
        settings: what it was trained with.
        shares: feature -> share of the total split gain, largest first; all 0 where no tree splits. Kept beside the
            booster because LightGBM's text rounds gains.
        seconds: wall time. It stays out of packages: it differs between equal models.
        resumed_at: numbers of trees at which a killed training went on.
        calibrator: what turns raw scores into calibrated probabilities; None: the objective's own link.
    """

    booster: Any
    names: tuple[str, ...]
    best_iteration: int
    curve: tuple[CurvePoint, ...]
    settings: TrainingSettings
    shares: Mapping[str, float]
    seconds: float = field(compare=False)
    resumed_at: tuple[int, ...] = ()
    calibrator: Calibrator | None = None

    def __repr__(self) -> str:
        best = f", best {self.settings.watched.name} {self.best_value:.4f}" if self.curve else ""
        return f"TrainedModel({self.best_iteration} trees, {len(self.names)} features{best}, {self.seconds:.1f} s)"

    @property
    def best_value(self) -> float:
        """The validation metric at the best iteration; NaN after a refit."""
        values = [point.value for point in self.curve if point.trees == self.best_iteration]
        return values[0] if values else float("nan")

    @property
    def model_text(self) -> str:
        """LightGBM's own text form, up to the best iteration."""
        text: str = self.booster.model_to_string(num_iteration=self.best_iteration)
        return text

    def predict(self, values: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
        """LightGBM's predictions of a matrix. `values: float32[n, F]` to float64[n], of K classes float64[n, K].

        The offline reference: what is served comes from the exported graph and is compared with this.
        """
        if self.calibrator is not None:
            return self.calibrator.apply(self.raw_scores(values))
        scores: npt.NDArray[np.float64] = self.booster.predict(
            values, num_iteration=self.best_iteration, num_threads=self.settings.threads
        )
        return scores

    def raw_scores(self, values: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
        """Sums of leaves, before any link or calibrator. `values: float32[n, F]` to float64[n], or [n, K]."""
        raw: npt.NDArray[np.float64] = self.booster.predict(
            values, num_iteration=self.best_iteration, num_threads=self.settings.threads, raw_score=True
        )
        return raw

    def importance(self) -> Mapping[str, float]:
        """Share of the total split gain of each feature, largest first; all 0 where no tree splits."""
        return self.shares

    def to_json(self) -> dict[str, Any]:
        """Encode how training went as JSON data, the same for equal models."""
        resumed = {"resumed_at": list(self.resumed_at)} if self.resumed_at else {}
        calibrated = {"calibrator": self.calibrator.to_json()} if self.calibrator else {}
        return {
            **resumed,
            **calibrated,
            "best_iteration": self.best_iteration,
            "metric": self.settings.watched.name,
            "curve": [[point.trees, point.value] for point in self.curve],
            "importance": dict(self.shares),
            "settings": self.settings.to_json(),
        }


def gain_shares(booster: Any, names: tuple[str, ...], iterations: int) -> dict[str, float]:
    """Share of the total split gain of each feature over the first trees, largest first."""
    gains = booster.feature_importance("gain", iteration=iterations)
    total = float(gains.sum())
    shares = {name: float(gain) / total if total else 0.0 for name, gain in zip(names, gains, strict=True)}
    return dict(sorted(shares.items(), key=lambda item: (-item[1], item[0])))
