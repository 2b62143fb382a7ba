"""A sampler whose draws depend on what is known, not on the process that draws them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from optuna.samplers import BaseSampler

STARTUP_TRIALS = 6
"""So many trials are drawn at random before the sampler learns."""


def make_sampler(distributions: Mapping[str, Any], seed: int) -> BaseSampler:
    """A multivariate TPE that a killed study goes on with as if nothing had happened.

    Optuna's own draws from one stream of random numbers: a process that resumes begins that stream anew and gives
    other trials. Here each draw has a seed of its own, from the study's seed and the numbers of trials that ended and
    that run; trials that were killed do not count. One trial at a time is thus repeatable, with or without a kill.

    Reference: Bergstra et al., NeurIPS 2011 (TPE); Watanabe, arXiv:2304.11127, for constraints and running trials.
    """
    import optuna
    from optuna.trial import TrialState

    space = {name: one for name, one in distributions.items() if not one.single()}

    class RepeatableSampler(optuna.samplers.BaseSampler):
        """TPE over the whole space, seeded trial by trial."""

        def infer_relative_search_space(self, study: Any, trial: Any) -> dict[str, Any]:  # noqa: ARG002
            return dict(space)

        def sample_relative(self, study: Any, trial: Any, search_space: dict[str, Any]) -> dict[str, Any]:
            tpe = self._tpe(study)
            drawn = tpe.sample_relative(study, trial, search_space)
            if drawn:
                return drawn
            return {name: tpe.sample_independent(study, trial, name, one) for name, one in search_space.items()}

        def sample_independent(self, study: Any, trial: Any, param_name: str, param_distribution: Any) -> Any:
            return self._tpe(study).sample_independent(study, trial, param_name, param_distribution)

        def _tpe(self, study: Any) -> optuna.samplers.TPESampler:
            states = [one.state for one in study.get_trials(deepcopy=False)]
            ended = states.count(TrialState.COMPLETE) + states.count(TrialState.PRUNED)
            mixed = np.random.SeedSequence([seed, ended, states.count(TrialState.RUNNING)])
            return optuna.samplers.TPESampler(
                n_startup_trials=STARTUP_TRIALS,
                multivariate=True,
                constant_liar=True,
                seed=int(mixed.generate_state(1)[0]),
            )

    return RepeatableSampler()
