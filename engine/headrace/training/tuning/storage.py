"""Studies on disk: one SQLite file through Optuna's own tables, so that a killed tuning goes on."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headrace.training.tuning.declaration import Tuning
from headrace.training.tuning.measurement import Measured
from headrace.training.tuning.parameters import overlaid
from headrace.training.tuning.pruning import make_pruner
from headrace.training.tuning.sampling import make_sampler
from headrace.training.tuning.space import SearchSpace
from headrace.training.tuning.trial import FACTS, Origin

if TYPE_CHECKING:
    import optuna

STUDIES_FILE = "studies.db"
COMPARABLE = "comparable"
SPENT = "spent_s"
TAKEN_OVER = "taken_over"
CARRIED = 3
"""So many of the best of earlier studies are tried anew where their values cannot be compared."""


@contextlib.contextmanager
def open_storage(folder: Path) -> Iterator[optuna.storages.RDBStorage]:
    """Open (and create) the file of studies.

    A write-ahead log without a sync a commit: a trial is some thirty commits, and what a crash of the machine takes is
    one trial. A killed process loses nothing that was committed.
    """
    import optuna
    import sqlalchemy as sa

    folder.mkdir(parents=True, exist_ok=True)
    with _quiet():
        storage = optuna.storages.RDBStorage(
            f"sqlite:///{folder / STUDIES_FILE}", engine_kwargs={"connect_args": {"timeout": 30.0}}
        )

    @sa.event.listens_for(storage.engine, "connect")
    def _on_connect(connection: Any, _record: Any) -> None:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")

    storage.engine.dispose()  # connections of the opening do not have these settings
    try:
        with _quiet():
            yield storage
    finally:
        storage.remove_session()
        storage.engine.dispose()


def open_study(
    storage: optuna.storages.RDBStorage, name: str, space: SearchSpace, tuning: Tuning, *, higher_is_better: bool
) -> optuna.Study:
    """Open (and create) a study."""
    import optuna

    return optuna.create_study(
        study_name=name,
        storage=storage,
        load_if_exists=True,
        direction="maximize" if higher_is_better else "minimize",
        sampler=make_sampler(space.distributions(), tuning.seed),
        pruner=make_pruner(tuning.pruner),
    )


def prepare(study: optuna.Study, comparable: str, space: SearchSpace, untuned: dict[str, Any], tuning: Tuning) -> None:
    """Make a study ready to go on.

    Trials that a killed process left running are failed, and those of them that were queued are queued again. A new
    study takes over what earlier ones of the same file know, see `_carry_over`, and has the untuned model as trial 0.
    """
    from optuna.trial import TrialState

    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        study.tell(trial.number, state=TrialState.FAIL)
        if "fixed_params" in trial.system_attrs:
            study.enqueue_trial(trial.system_attrs["fixed_params"], user_attrs=_of_origin(trial.user_attrs))
    if study.get_trials(deepcopy=False):
        return
    study.set_user_attr(COMPARABLE, comparable)
    taken, best = _earlier(study, comparable, space, tuning)
    for trial in taken:
        study.add_trial(trial)
    study.set_user_attr(TAKEN_OVER, len(taken))
    if not taken:
        study.enqueue_trial(space.nearest(untuned), user_attrs=_origin(Origin.UNTUNED))
    for point in tuning.first:
        study.enqueue_trial(space.nearest(overlaid(untuned, point)), user_attrs=_origin(Origin.DECLARED))
    for params in best:
        study.enqueue_trial(params, user_attrs=_origin(Origin.EARLIER))


def _earlier(
    study: optuna.Study, comparable: str, space: SearchSpace, tuning: Tuning
) -> tuple[list[Any], list[dict[str, Any]]]:
    """What a new study takes over: trials as they are, and points to try anew.

    Trials of the newest study with the same rows, metric and space are taken as they are: nothing but the targets
    differs, and those are judged from what was measured. Of other studies the best points are tried again.
    """
    import optuna

    best: list[dict[str, Any]] = []
    others = optuna.get_all_study_summaries(study._storage, include_best_trial=False)  # noqa: SLF001
    for summary in sorted(others, key=lambda one: -one._study_id):  # noqa: SLF001
        if summary.study_name == study.study_name:
            continue
        other = optuna.load_study(study_name=summary.study_name, storage=study._storage)  # noqa: SLF001
        trials = [trial for trial in other.get_trials(deepcopy=False) if trial.state.is_finished()]
        same = summary.user_attrs.get(COMPARABLE) == comparable and other.direction is study.direction
        taken = [_again(trial, tuning) for trial in trials if space.contains(trial.params)] if same else []
        if taken and any(_of_origin(one.user_attrs) == _origin(Origin.UNTUNED) for one in taken):
            return [one for one in taken if one.state.name != "FAIL"], []
        best += [space.nearest(trial.params) for trial in _best(other, trials)]
    return [], list({str(point): point for point in best[:CARRIED]}.values())


def _again(trial: Any, tuning: Tuning) -> Any:
    from optuna.trial import create_trial

    facts = trial.user_attrs.get(FACTS, {})
    excess: dict[str, float] = {}
    if facts.get("measured"):
        excess = tuning.targets.excess(Measured(**facts["measured"]))
    return create_trial(
        state=trial.state,
        value=trial.value if trial.state.name == "COMPLETE" else None,
        params=trial.params,
        distributions=trial.distributions,
        intermediate_values=trial.intermediate_values,
        user_attrs={**trial.user_attrs, FACTS: {**facts, "excess": excess}},
        constraints=excess or None,
    )


def _best(study: optuna.Study, trials: Sequence[Any]) -> list[Any]:
    complete = [one for one in trials if one.state.name == "COMPLETE"]
    sign = -1.0 if study.direction.name == "MAXIMIZE" else 1.0
    return sorted(complete, key=lambda one: sign * one.value)[:CARRIED]


def _origin(origin: Origin) -> dict[str, Any]:
    return {FACTS: {"origin": origin.value}}


def _of_origin(attributes: dict[str, Any]) -> dict[str, Any]:
    return _origin(Origin(attributes.get(FACTS, {}).get("origin", Origin.SAMPLED.value)))


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Optuna tells every trial on stderr; the progress is ours."""
    import optuna

    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(before)
