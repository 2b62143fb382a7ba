"""Tune a model: open or go on with its study, run trials, confirm the winner."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import replace
from statistics import median
from typing import TYPE_CHECKING, Any

from headrace.core.errors import DefinitionError
from headrace.core.progress import Progress, SilentProgress
from headrace.training.binning import bin_data
from headrace.training.importance import parameter_importance
from headrace.training.trained import TrainedModel
from headrace.training.trainer import boost
from headrace.training.tuning.budget import Budget
from headrace.training.tuning.job import TuningJob
from headrace.training.tuning.measurement import Measured
from headrace.training.tuning.result import TuningResult
from headrace.training.tuning.running import Trials
from headrace.training.tuning.shelf import Shelf
from headrace.training.tuning.storage import SPENT, TAKEN_OVER, open_storage, open_study, prepare
from headrace.training.tuning.telling import Teller
from headrace.training.tuning.trial import State, Trial

if TYPE_CHECKING:
    import optuna

CONFIRMATIONS = 3
"""A model that is to win is measured so many times more: the best of many noisy figures is a lucky one."""

CANDIDATES = 8
"""So many models are measured again before the search for one that keeps its promise ends."""


def tune(job: TuningJob, *, progress: Progress | None = None, fresh: bool = False) -> TuningResult:
    """Run trials until the budget is spent; the same job goes on where it was.

    The untuned model is the first trial and the rival of all others. Ctrl-C ends every trial after its current tree;
    what ended by then is kept, and the result says `interrupted`.

    One trial at a time, the same job gives the same trials, killed in between or not (of latencies only as far as they
    are repeatable; only with targets do they change what is tried next). Side by side, which trials have ended when the
    next one is drawn depends on the machine: each trial by itself stays repeatable, their sequence does not.

    Args:
        job: what is tuned.
        progress: where to report: a step of one count a trial.
        fresh: forget earlier trials first.

    Raises:
        DefinitionError: the search space is not one, or there are targets and nothing that measures.
        FailedCheckError: the data cannot be trained on.
        HeadraceError: every trial fails.
    """
    if job.tuning.targets.any and job.measure is None:
        raise DefinitionError(f"targets ({job.tuning.targets}) need something that measures compiled models")
    if fresh:
        shutil.rmtree(job.folder, ignore_errors=True)
    higher = job.settings.watched.higher_is_better
    with open_storage(job.folder) as storage:
        study = open_study(storage, job.name, job.space, job.tuning, higher_is_better=higher)
        prepare(study, job.comparable, job.space, dict(job.settings.params), job.tuning)
        budget = _budget(job, study)
        interrupted = _run(job, study, budget, progress or SilentProgress())
        trials = _ended(study)
        found = TuningResult(
            study=job.name,
            metric=job.settings.watched.name,
            higher_is_better=higher,
            targets=job.tuning.targets,
            trials=trials,
            spent_s=budget.spent_s,
            jobs=job.jobs,
            interrupted=interrupted,
            importance=_importance(trials),
        )
    return found if interrupted else _confirm(job, found)


def model_of(job: TuningJob, params: Mapping[str, Any]) -> TrainedModel:
    """The model of some parameters, trained on the split: from the shelf, or trained again to the same trees."""
    found = Shelf(job.folder / "models").get(params)
    if found is not None:
        return found
    settings = replace(job.settings, params=params)
    return boost(bin_data(job.data, settings), settings)


def _budget(job: TuningJob, study: optuna.Study) -> Budget:
    own = [trial for trial in _ended(study) if trial.state is not State.FAILED]
    seconds = job.tuning.minutes * 60 if job.tuning.minutes else None
    taken = study.user_attrs.get(TAKEN_OVER, 0)
    return Budget(
        job.tuning.most_trials, seconds, done=len(own) - taken, spent_s=float(study.user_attrs.get(SPENT, 0.0))
    )


def _run(job: TuningJob, study: optuna.Study, budget: Budget, progress: Progress) -> bool:
    with progress.step("tune", total=job.tuning.most_trials) as step:
        step.advance(budget.taken)
        return Trials(job, study, budget, Teller(job, _ended(study), budget, step)).run()


def _ended(study: optuna.Study) -> list[Trial]:
    return [Trial.of_study(one) for one in study.get_trials(deepcopy=False) if one.state.is_finished()]


def _importance(trials: list[Trial]) -> Mapping[str, float]:
    """Share of each searched parameter, largest first; empty where too few trials ended."""
    complete = [(trial.chosen, trial.value) for trial in trials if trial.value is not None]
    return parameter_importance([chosen for chosen, _ in complete], [value for _, value in complete]) or {}


def _confirm(job: TuningJob, found: TuningResult) -> TuningResult:
    """Measure the model that is to win again, alone; where it does not keep the target, the next one."""
    if job.measure is None or not found.targets.any:
        return found
    confirmed: dict[int, Measured] = {}
    for _ in range(CANDIDATES):
        ranked = found.ranked
        if not ranked or ranked[0].number in confirmed:
            break
        model = model_of(job, ranked[0].params)
        again = [job.measure(model) for _ in range(CONFIRMATIONS)]
        middle = median(one.latency_p99_us for one in again)
        confirmed[ranked[0].number] = next(one for one in again if one.latency_p99_us == middle)
        found = replace(found, confirmed=dict(confirmed))
    return found
