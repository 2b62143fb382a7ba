from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from headrace.training import TrainedModel, TrainingSettings
from headrace.training.tuning import Measured, Tuning, TuningJob

SETTINGS = TrainingSettings(params={"num_leaves": 15}, rounds=40, early_stopping_rounds=10, threads=1)


def by_trees(model: TrainedModel) -> Measured:
    """A measurement that is exactly repeatable: a microsecond a tree."""
    return Measured(float(model.best_iteration), 1.0, model.best_iteration * 1_000)


@pytest.fixture
def make_job(make_data: Callable[..., Any], tmp_path: Path) -> Callable[..., TuningJob]:
    """A job on 2,000 rows, one trial at a time; keywords are fields of the job or of its tuning."""

    def make(folder: str = "study", **given: Any) -> TuningJob:
        of_job = {name: given.pop(name) for name in list(given) if name in TuningJob.__dataclass_fields__}
        tuning = Tuning(**{"trials": 8, **given})
        defaults = {"data": make_data(2_000), "settings": SETTINGS, "identity": "rows", "measure": by_trees}
        return TuningJob(**{**defaults, **of_job, "tuning": tuning, "folder": tmp_path / folder})

    return make
