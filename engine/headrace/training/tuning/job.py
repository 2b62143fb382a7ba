"""What a tuning works on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from headrace.core.hashing import digest_json
from headrace.training.dataset import TrainingData
from headrace.training.settings import TrainingSettings
from headrace.training.split import SplitMasks
from headrace.training.tuning.declaration import Tuning
from headrace.training.tuning.measurement import Measure
from headrace.training.tuning.space import SearchSpace, build_space
from headrace.training.tuning.trial import Trial


@dataclass(frozen=True)
class TuningJob:
    """What is tuned, on what, and where it is kept.

    Attributes:
        data: matrix, labels, split; its test part is not read.
        settings: of the untuned model; `threads` is the budget of all trials together.
        tuning: the declaration.
        folder: of the studies and of the models on the front.
        identity: digest of the rows, such as that of the feature matrix and its labels.
        folds: from `WalkForward.masks`; empty: a trial is trained on the split.
        measure: compiles and measures a model; None: trials are not measured.
        on_trial: told each trial as it ends, one at a time; for run records.
    """

    data: TrainingData
    settings: TrainingSettings
    tuning: Tuning
    folder: Path
    identity: str
    folds: Sequence[SplitMasks] = ()
    measure: Measure | None = None
    on_trial: Callable[[Trial], None] | None = None

    @property
    def jobs(self) -> int:
        """Trials side by side: small trees gain little from a second thread, so one a thread."""
        return min(self.tuning.jobs or self.settings.threads, max(1, self.settings.threads))

    @property
    def threads(self) -> int:
        """Threads of each trial."""
        return max(1, self.settings.threads // self.jobs)

    @cached_property
    def space(self) -> SearchSpace:
        """What is tried."""
        return build_space(self.tuning.space, self.settings, int(self.data.split.train.sum()))

    @cached_property
    def comparable(self) -> str:
        """Digest of all that a trial's value depends on, beside its parameters."""
        return digest_json([self.identity, self.settings.to_json(), len(self.folds), self.space.to_json()])

    @cached_property
    def name(self) -> str:
        """The study's: another one where values, targets or draws would differ. The budget is not part of it."""
        tuning = self.tuning
        first = [dict(point) for point in tuning.first]
        return digest_json([self.comparable, tuning.targets.to_json(), tuning.pruner, tuning.seed, first])[:16]

    def params(self, chosen: dict[str, Any]) -> dict[str, Any]:
        """LightGBM's parameters of a trial."""
        return self.space.settle(self.settings.params, chosen)
