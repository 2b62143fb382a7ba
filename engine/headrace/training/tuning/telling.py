"""What is shown while trials run: the best value so far, how trials ended, the time left."""

from __future__ import annotations

import time
from collections.abc import Sequence

from headrace.core.progress import Step
from headrace.training.tuning.budget import Budget
from headrace.training.tuning.job import TuningJob
from headrace.training.tuning.trial import State, Trial
from headrace.training.watching import sparkline

_EVERY_S = 1.0


class Teller:
    """Keeps the note behind a tuning's progress.

    Args:
        job: what is tuned.
        known: trials that ended before.
        budget: tells the time left.
        step: counts trials and shows the note.
    """

    def __init__(self, job: TuningJob, known: Sequence[Trial], budget: Budget, step: Step) -> None:
        self._job = job
        self._trials = list(known)
        self._budget = budget
        self._step = step
        self._noted = 0.0

    def ended(self, trial: Trial) -> None:
        """Count a trial."""
        self._trials.append(trial)
        self._step.advance()
        self._step.note(self.words())

    def waited(self) -> None:
        """Bring the time left up to date, at most once a second."""
        if time.monotonic() - self._noted >= _EVERY_S:
            self._noted = time.monotonic()
            self._step.note(self.words())

    def words(self) -> str:
        """Give the note."""
        words = [self._best(), f"{len(self._trials)} trials, {self._count(State.PRUNED)} pruned"]
        if self._job.tuning.targets.any:
            missed = sum(trial.is_complete and not trial.is_feasible for trial in self._trials)
            words.append(f"{missed} over target")
        left = self._budget.left_s
        if left is not None:
            words.append(f"{left / 60:.0f} min left" if left >= 90 else f"{left:.0f} s left")
        return " \u00b7 ".join(words)

    def _best(self) -> str:
        metric = self._job.settings.watched
        pick = max if metric.higher_is_better else min
        best: list[float] = []
        for trial in self._trials:
            if trial.is_feasible and trial.value is not None:
                best.append(pick([trial.value, *best[-1:]]))
        if best:
            return f"best {metric.name} {best[-1]:.4f} {sparkline(best)}"
        return "none meets the target yet" if self._count(State.COMPLETE) else "the untuned model first"

    def _count(self, state: State) -> int:
        return sum(trial.state is state for trial in self._trials)
