"""The trials of a study, side by side: ask, train, measure, tell, until the budget is spent."""

from __future__ import annotations

import math
import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from headrace.core.errors import HeadraceError
from headrace.core.logging import get_logger
from headrace.training.library import load_lightgbm
from headrace.training.trained import TrainedModel
from headrace.training.tuning.attempt import Attempt, SharedData, attempt
from headrace.training.tuning.budget import Budget
from headrace.training.tuning.front import pareto_front
from headrace.training.tuning.gate import Gate
from headrace.training.tuning.job import TuningJob
from headrace.training.tuning.parameters import value_in
from headrace.training.tuning.pruning import Pacer, StoppedError, TrialPrunedError
from headrace.training.tuning.shelf import Shelf
from headrace.training.tuning.storage import SPENT
from headrace.training.tuning.telling import Teller
from headrace.training.tuning.trial import FACTS, Origin, State, Trial

if TYPE_CHECKING:
    import optuna

_LOG = get_logger("tuning")
_LOOK_S = 0.2
_FAILURES = 5
"""So many failed trials in a row end the tuning: then it is not the parameters."""


class Trials:
    """Runs the trials of one study on threads; LightGBM leaves the interpreter free while it grows a tree."""

    def __init__(self, job: TuningJob, study: optuna.Study, budget: Budget, teller: Teller) -> None:
        self._job = job
        self._study = study
        self._budget = budget
        self._teller = teller
        self._shelf = Shelf(job.folder / "models")
        self._gate = Gate()
        self._told = threading.Lock()
        self._failed_in_a_row = 0
        self._error: BaseException | None = None
        parts = [job.data.with_split(fold) for fold in job.folds] or [job.data]
        self._shared = SharedData(parts, job.settings)
        self._distributions = job.space.distributions()

    def run(self) -> bool:
        """Run until the budget is spent; whether Ctrl-C ended it.

        Raises:
            HeadraceError: the data cannot be trained on, or every trial fails.
        """
        workers = [
            threading.Thread(target=self._work, name=f"trial-{number}", daemon=True) for number in range(self._job.jobs)
        ]
        for worker in workers:
            worker.start()
        interrupted = False
        while any(worker.is_alive() for worker in workers):
            try:
                for worker in workers:
                    worker.join(_LOOK_S)
                self._teller.waited()
            except KeyboardInterrupt:
                if interrupted:
                    raise
                interrupted = True
                self._budget.end()
        self._study.set_user_attr(SPENT, self._budget.spent_s)
        if self._error is not None:
            raise self._error
        return interrupted

    def _work(self) -> None:
        try:
            while self._budget.take():
                with self._told:
                    trial = self._study.ask(self._distributions)
                found = self._try(trial)
                if found is not None:
                    self._tell(trial, *found)
                    self._count_failure(found[0])
        except BaseException as error:  # noqa: BLE001  told by the thread that waits
            self._error = self._error or error
            self._budget.end()

    def _try(self, trial: optuna.Trial) -> tuple[Trial, TrainedModel | None] | None:
        """Train and measure; None where the tuning ended meanwhile. The study keeps such a trial as running."""
        began = time.perf_counter()
        begun = self._begin(trial)
        pacer = Pacer(trial, float(value_in(begun.params, "learning_rate")), self._budget.is_over)
        pacer.parts = self._shared.parts
        pacer.prunes = begun.origin is not Origin.UNTUNED
        settings = replace(self._job.settings, params=begun.params, threads=self._job.threads)
        model = None
        try:
            done = attempt(self._shared, settings, self._gate, pacer)
            ended, model = self._measured(begun, done), done.model
        except StoppedError:
            return None
        except TrialPrunedError:
            curve = [(point.trees, point.value) for point in pacer.curve]
            ended = replace(begun, state=State.PRUNED, curve=curve, trees=curve[-1][0] if curve else 0)
        except load_lightgbm().basic.LightGBMError as error:
            ended = replace(begun, reason=str(error))
        return replace(ended, seconds=time.perf_counter() - began), model

    def _begin(self, trial: optuna.Trial) -> Trial:
        origin = Origin(trial.user_attrs.get(FACTS, {}).get("origin", Origin.SAMPLED.value))
        chosen = dict(trial.params)
        params = dict(self._job.settings.params) if origin is Origin.UNTUNED else self._job.params(chosen)
        return Trial(trial.number, State.FAILED, origin, chosen, params)

    def _measured(self, begun: Trial, done: Attempt) -> Trial:
        if not math.isfinite(done.value):
            return replace(begun, reason=f"{self._job.settings.watched.name} is {done.value}")
        measured = None
        if self._job.measure is not None:
            with self._gate.measuring() as alone:
                measured = replace(self._job.measure(done.model), alone=alone)
        return replace(
            begun,
            state=State.COMPLETE,
            value=done.value,
            trees=round(sum(done.trees) / len(done.trees)),
            curve=[(point.trees, point.value) for point in done.model.curve],
            folds=done.values if self._shared.parts > 1 else (),
            measured=measured,
            excess=self._job.tuning.targets.excess(measured) if measured else {},
        )

    def _tell(self, trial: optuna.Trial, ended: Trial, model: TrainedModel | None) -> None:
        import optuna

        states = {
            State.COMPLETE: optuna.trial.TrialState.COMPLETE,
            State.PRUNED: optuna.trial.TrialState.PRUNED,
            State.FAILED: optuna.trial.TrialState.FAIL,
        }
        with self._told:
            trial.set_user_attr(FACTS, ended.facts())
            for name, share in ended.excess.items():
                trial.set_constraint(name, share)
            self._study.tell(trial, ended.value if ended.is_complete else None, state=states[ended.state])
            self._study.set_user_attr(SPENT, self._budget.spent_s)
            self._keep(ended, model)
            self._teller.ended(ended)
            if self._job.on_trial is not None:
                self._job.on_trial(ended)

    def _count_failure(self, ended: Trial) -> None:
        self._failed_in_a_row = self._failed_in_a_row + 1 if ended.state is State.FAILED else 0
        if ended.state is State.FAILED:
            _LOG.warning("trial_failed", trial=ended.number, reason=ended.reason)
        if self._failed_in_a_row >= _FAILURES:
            raise HeadraceError(f"{_FAILURES} trials failed one after the other, the last one with: {ended.reason}")

    def _keep(self, ended: Trial, model: TrainedModel | None) -> None:
        """Keep the models of the front, and the untuned one. A fold's model is no candidate."""
        if model is None or self._shared.parts > 1:
            return
        trials = [Trial.of_study(one) for one in self._study.get_trials(deepcopy=False)]
        front = pareto_front(trials, higher_is_better=self._study.direction.name == "MAXIMIZE")
        kept = [*front, *(one for one in trials if one.origin is Origin.UNTUNED)]
        if any(one.number == ended.number for one in kept):
            self._shelf.put(ended.params, model)
        self._shelf.keep_only([one.params for one in kept])
