from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from headrace.evaluation import EvaluationSettings, Sample


@pytest.fixture
def make_sample() -> Callable[..., Sample]:
    """Rows whose labels are drawn from the scores: calibrated by construction."""

    def make(rows: int = 6_000, days: int = 60, seed: int = 1, **changes: object) -> Sample:
        rng = np.random.default_rng(seed)
        scores = rng.beta(1.2, 3.0, rows)
        made = {
            "labels": rng.random(rows) < scores,
            "scores": scores,
            "blocks": np.sort(rng.integers(0, days, rows)),
            "base_rate": 0.3,
        }
        return Sample(**(made | changes))

    return make


@pytest.fixture
def quick() -> EvaluationSettings:
    return EvaluationSettings(replicates=200)
