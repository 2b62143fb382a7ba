from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from headrace.training import TimeSplit, TrainingData

YEAR_US = 365 * 86_400_000_000
START_US = 1_356_998_400_000_000  # 2013-01-01 UTC

SPLIT = TimeSplit(train="2013-09-01", valid="2013-11-01")


@pytest.fixture
def make_data() -> Callable[..., TrainingData]:
    """Rows over 2013 whose label follows the first feature, and a product of the next two."""

    def make(rows: int = 4_000, features: int = 5, seed: int = 1) -> TrainingData:
        rng = np.random.default_rng(seed)
        values = rng.normal(size=(rows, features)).astype(np.float32)
        values[rng.random(values.shape) < 0.05] = np.nan
        known = np.nan_to_num(values)
        labels = rng.random(rows) < 1 / (1 + np.exp(-2 * known[:, 0] - known[:, 1] * known[:, 2]))
        times = START_US + np.sort(rng.integers(0, YEAR_US, rows))
        return TrainingData(values, tuple(f"feature {n}" for n in range(features)), labels, SPLIT.masks(times))

    return make
