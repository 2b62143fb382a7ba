from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from headrace.evaluation.task import Task
from headrace.training import OBJECTIVES, TimeSplit, TrainingData

YEAR_US = 365 * 86_400_000_000
START_US = 1_356_998_400_000_000  # 2013-01-01 UTC

SPLIT = TimeSplit(train="2013-09-01", valid="2013-11-01")


@pytest.fixture
def make_data() -> Callable[..., TrainingData]:
    """Rows over 2013 whose label follows the first feature, and a product of the next two.

    With an objective, labels are of the kind it learns from; of a ranking, eight rows in a row are a query.
    """

    def make(rows: int = 4_000, features: int = 5, seed: int = 1, objective: str = "binary") -> TrainingData:
        rng = np.random.default_rng(seed)
        values = rng.normal(size=(rows, features)).astype(np.float32)
        values[rng.random(values.shape) < 0.05] = np.nan
        known = np.nan_to_num(values)
        chance = 1 / (1 + np.exp(-2 * known[:, 0] - known[:, 1] * known[:, 2]))
        labels, groups = _labels(objective, rng, chance)
        times = START_US + np.sort(rng.integers(0, YEAR_US, rows))
        names = tuple(f"feature {n}" for n in range(features))
        return TrainingData(values, names, labels, SPLIT.masks(times), groups=groups)

    return make


def _labels(objective: str, rng: np.random.Generator, chance: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    goal = OBJECTIVES[objective]
    drawn = rng.random(chance.size)
    match goal.task:
        case Task.BINARY:
            return drawn < chance, None
        case Task.MULTICLASS:
            return np.digitize(chance + 0.3 * (drawn - 0.5), [0.3, 0.7]).astype(np.int64), None
        case Task.RANKING:
            grades = np.digitize(chance + 0.3 * (drawn - 0.5), [0.3, 0.5, 0.8]).astype(np.int64)
            return grades, np.arange(chance.size, dtype=np.int64) // 8
    if goal.labels == "from 0 to 1":
        return chance.astype(np.float64), None
    counts = rng.poisson(5 * chance).astype(np.float64)
    return (counts if goal.labels == "not negative" else counts + 0.5 if goal.labels == "above 0" else counts - 3), None
