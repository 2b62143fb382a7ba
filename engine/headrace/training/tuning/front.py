"""The Pareto front: trials that no other beats in everything at once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from headrace.training.tuning.trial import Trial


def pareto_front(trials: Sequence[Trial], *, higher_is_better: bool) -> list[Trial]:
    """Trials that none dominates in value, latency and size; best value first. O(n^2).

    A trial that was not measured is judged by its value alone, among those like it. Equal ones stay together.
    """
    sign = 1.0 if higher_is_better else -1.0
    complete = [trial for trial in trials if trial.is_complete]
    if not complete:
        return []
    costs = np.array([(-sign * (trial.value or 0.0), *_costs(trial)) for trial in complete])
    kept = [
        trial
        for trial, own in zip(complete, costs, strict=True)
        if not ((costs <= own).all(axis=1) & (costs < own).any(axis=1)).any()
    ]
    return sorted(kept, key=lambda trial: (-sign * (trial.value or 0.0), trial.number))


def _costs(trial: Trial) -> tuple[float, float]:
    if trial.measured is None:
        return float("inf"), float("inf")
    return trial.measured.over_floor, float(trial.measured.size_bytes)
