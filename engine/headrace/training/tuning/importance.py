"""Which parameters mattered: by how the best trials' values differ from all trials'."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import optuna

FEWEST = 10
"""Below so many complete trials nothing is said."""


def explain(study: optuna.Study) -> Mapping[str, float]:
    """Share of each parameter in what separates the best tenth of the trials from the others; largest first.

    A low share says that good trials came with any value, within the range that was searched.
    Reference: Watanabe et al., IJCAI 2023 (PED-ANOVA).
    """
    import optuna

    complete = study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.COMPLETE,))
    if len(complete) < FEWEST:
        return {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # experimental in Optuna; it is shown, not decided by
        try:
            return optuna.importance.get_param_importances(
                study, evaluator=optuna.importance.PedAnovaImportanceEvaluator()
            )
        except (ValueError, RuntimeError):  # all values alike
            return {}
