"""One attempt: train with some parameters on datasets that all attempts share."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from headrace.core.errors import DefinitionError
from headrace.core.hashing import canonical_json
from headrace.training.binning import Binned, bin_data
from headrace.training.dataset import TrainingData
from headrace.training.settings import TrainingSettings
from headrace.training.trained import TrainedModel
from headrace.training.trainer import boost
from headrace.training.tuning.gate import Gate
from headrace.training.tuning.parameters import is_of_binning
from headrace.training.tuning.pruning import Pacer


class SharedData:
    """The datasets of a study: each part is binned once, and once more for each other way to bin that is tried."""

    def __init__(self, parts: Sequence[TrainingData], settings: TrainingSettings) -> None:
        self._parts = parts
        self._settings = settings
        self._made: dict[bytes, Binned] = {}
        self._lock = threading.Lock()

    def binned(self, place: int, params: Mapping[str, Any]) -> Binned:
        """The datasets of a part, for a trial's parameters; the first thread that asks makes them."""
        of_binning = {name: value for name, value in params.items() if _is_of_binning(name)}
        key = canonical_json([place, of_binning])
        with self._lock:
            if key not in self._made:
                self._made[key] = bin_data(self._parts[place], replace(self._settings, params=of_binning))
            return self._made[key]

    @property
    def parts(self) -> int:
        """How many: the folds, or one."""
        return len(self._parts)


@dataclass(frozen=True)
class Attempt:
    """What training gave.

    Attributes:
        model: trained on the last part.
        values: of each part, the watched metric at the best iteration.
        trees: of each part.
    """

    model: TrainedModel
    values: tuple[float, ...]
    trees: tuple[int, ...]

    @property
    def value(self) -> float:
        """Mean over the parts."""
        return float(np.mean(self.values))


def attempt(shared: SharedData, settings: TrainingSettings, gate: Gate, pacer: Pacer) -> Attempt:
    """Train on every part; the pacer may end it by raising.

    Args:
        shared: the datasets.
        settings: of the trial.
        gate: held while another trial is measured.
        pacer: told after each tree and each part.
    """
    values: list[float] = []
    trees: list[int] = []
    for place in range(shared.parts):
        binned = shared.binned(place, settings.params)
        with gate.training():
            model = boost(binned, settings, watchers=[pacer, gate])
        values.append(model.best_value)
        trees.append(model.best_iteration)
        pacer.on_fold(place + 1, float(np.mean(values)))
    return Attempt(model, tuple(values), tuple(trees))


def _is_of_binning(name: str) -> bool:
    try:
        return is_of_binning(name)
    except DefinitionError:  # a parameter of a project's that LightGBM ignores
        return False
