"""Which parameters decided: functional analysis of variance over the trials of a study.

A forest of regression trees is fitted to (parameters -> metric); a parameter's importance is the forest's variance over
the searched space that the parameter explains alone, as a share of the sum over parameters. Optuna's
implementation on a forest of scikit-learn; seeded, so equal trials give equal shares.

Reference: Hutter, Hoos and Leyton-Brown, "An Efficient Approach for Assessing Hyperparameter Importance", ICML 2014.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

MIN_RUNS = 10
METHOD = "fANOVA (Optuna, 64 trees, seed 0)"
_WIDE = 100.0  # a positive range whose ends are further apart than this was searched by orders of magnitude
_SEED = 0


def parameter_importance(parameters: Sequence[Mapping[str, Any]], values: Sequence[float]) -> dict[str, float] | None:
    """Share of what parameters explain alone, largest first; shares sum to 1.

    Parameters that not every run has, or that never change, are left out.

    Args:
        parameters: one mapping a run.
        values: the metric of each run, finite.

    Returns:
        None for fewer than `MIN_RUNS` runs, for a metric that never changes, and where no parameter changes.
    """
    if len(values) < MIN_RUNS or len(set(values)) < 2:
        return None
    shared = set(parameters[0]).intersection(*parameters[1:])
    columns = {name: [_scalar(one[name]) for one in parameters] for name in sorted(shared)}
    spaces = {name: _space(column) for name, column in columns.items() if len(set(map(repr, column))) > 1}
    if not spaces:
        return None
    return _fanova({name: columns[name] for name in spaces}, spaces, values)


def _fanova(
    columns: Mapping[str, Sequence[Any]], spaces: dict[str, BaseDistribution], values: Sequence[float]
) -> dict[str, float]:
    import optuna
    from optuna.importance import FanovaImportanceEvaluator, get_param_importances

    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        study = optuna.create_study(direction="maximize")
        for place, value in enumerate(values):
            row = {name: column[place] for name, column in columns.items()}
            study.add_trial(optuna.trial.create_trial(params=row, distributions=spaces, value=value))
        return dict(get_param_importances(study, evaluator=FanovaImportanceEvaluator(seed=_SEED)))
    finally:
        optuna.logging.set_verbosity(verbosity)


def _space(column: Sequence[Any]) -> BaseDistribution:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if any(isinstance(value, (bool, str)) or value is None for value in column):
        return CategoricalDistribution(list(dict.fromkeys(column)))
    low, high = min(column), max(column)
    wide = low > 0 and high / low >= _WIDE
    if all(isinstance(value, int) for value in column):
        return IntDistribution(low, high, log=wide)
    return FloatDistribution(float(low), float(high), log=wide)


def _scalar(value: Any) -> Any:
    """A value that a search space may hold; lists and numbers that are none become text."""
    if value is None or isinstance(value, (bool, int, str)):
        return value
    return value if isinstance(value, float) and math.isfinite(value) else repr(value)
