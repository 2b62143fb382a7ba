"""Ending hopeless trials between two trees, by comparing what can be compared.

A trial with a small learning rate is behind after as many trees without being worse. So trials are compared at equal
path length, trees x learning rate, at rungs that lie a factor of the square root of 2 apart; with one learning rate
that is the number of trees. Models that miss a target are not what a trial is compared with: a small model would be
ended because large ones, which cannot win, are better. Of folds, the means over the same first folds are compared.
Reference: Friedman, Annals of Statistics 29 (2001), section 5, for the trade of shrinkage against trees; Golovin et
al., "Google Vizier", KDD 2017, section 3.2.2, for the median rule.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from headrace.training.trained import CurvePoint

if TYPE_CHECKING:
    from optuna.pruners import BasePruner

STARTUP_TRIALS = 5
"""So many trials end by themselves before any is pruned."""

FIRST_PATH = 2.0
"""No trial is pruned before this path length: 20 trees at a learning rate of 0.1."""

MOST_RUNGS = 16


class TrialPrunedError(Exception):
    """Raised between two trees: the trial is not worth its time."""


class StoppedError(Exception):
    """Raised between two trees: the tuning ends, by its budget or by Ctrl-C."""


def rung(trees: int, learning_rate: float) -> int:
    """The last rung that a trial has reached; below 0 before the first."""
    return math.floor(2 * math.log2(trees * learning_rate / FIRST_PATH))


class Pacer:
    """A `TreeWatcher`: ends training when told to, and tells the study how the trial stands.

    Attributes:
        parts: how many are trained on: of one the rungs of its curve count, of several folds the means.
        prunes: whether the study may end the trial.
        curve: of the last training that it watched, as far as it came.
    """

    def __init__(self, trial: Any, learning_rate: float, is_stopped: Callable[[], bool]) -> None:
        self.parts = 1
        self.prunes = True
        self.curve: Sequence[CurvePoint] = ()
        self._trial = trial
        self._learning_rate = learning_rate
        self._is_stopped = is_stopped
        self._next = 0

    def __call__(self, booster: Any, curve: Sequence[CurvePoint]) -> None:  # noqa: ARG002  a TreeWatcher
        """Look at the curve so far.

        Raises:
            StoppedError: the tuning ends.
            TrialPrunedError: the trial is worse than half of the others were here.
        """
        self.curve = curve
        if self._is_stopped():
            raise StoppedError
        if not curve or self.parts > 1:
            return
        reached = rung(curve[-1].trees, self._learning_rate)
        if reached < self._next:
            return
        for step in range(self._next, reached + 1):
            self._trial.report(curve[-1].value, step)
        self._next = reached + 1
        self._end_if_hopeless()

    def on_fold(self, done: int, mean: float) -> None:
        """Look at the mean of the folds so far, where there are several.

        Raises:
            TrialPrunedError: the trial is worse than half of the others were here.
        """
        if self.parts > 1:
            self._trial.report(mean, done)
            if done < self.parts:
                self._end_if_hopeless()

    def _end_if_hopeless(self) -> None:
        if self.prunes and self._trial.should_prune():
            raise TrialPrunedError


def make_pruner(kind: str) -> BasePruner:
    """Optuna's pruner of a name; the median one is `MedianOfFeasible`."""
    import optuna

    if kind == "hyperband":
        return optuna.pruners.HyperbandPruner(min_resource=1, max_resource=MOST_RUNGS, reduction_factor=3)
    return _median_pruner() if kind == "median" else optuna.pruners.NopPruner()


def _median_pruner() -> BasePruner:
    import optuna

    class MedianOfFeasible(optuna.pruners.BasePruner):
        """Ends a trial whose best value so far is worse than the median of what others had there.

        Compared are trials that ended by themselves and meet every target, `STARTUP_TRIALS` of them at least.
        """

        def prune(self, study: optuna.study.Study, trial: optuna.trial.FrozenTrial) -> bool:
            step = trial.last_step
            if step is None:
                return False
            ended = study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.COMPLETE,))
            feasible = [one for one in ended if all(value <= 0 for value in one.constraints.values())]
            there = [one.intermediate_values[step] for one in feasible if step in one.intermediate_values]
            if len(there) < STARTUP_TRIALS:
                return False
            sign = 1.0 if study.direction is optuna.study.StudyDirection.MAXIMIZE else -1.0
            own = max(sign * value for value in trial.intermediate_values.values())
            return bool(own < np.median(sign * np.array(there)))

    return MedianOfFeasible()
