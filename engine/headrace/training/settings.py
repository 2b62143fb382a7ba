"""How a model is trained: a few names of ours, and whatever LightGBM takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from headrace.core.errors import DefinitionError

# Set by the trainer itself: reproducible training is a promise, not a parameter.
OWNED_PARAMETERS = frozenset(
    {"deterministic", "force_row_wise", "force_col_wise", "num_threads", "seed", "metric", "objective", "verbosity"}
)
# LightGBM's metric for each of ours; all are watched, the first decides.
LIGHTGBM_METRICS = {"auc": "auc", "log_loss": "binary_logloss", "average_precision": "average_precision"}


@dataclass(frozen=True)
class TrainingSettings:
    """Settings of one training run.

    Attributes:
        params: LightGBM parameters beyond those below, such as `num_leaves`.
        rounds: most trees.
        early_stopping_rounds: stop after so many rounds without improvement on validation; 0 never stops.
        metric: what early stopping watches: `auc`, `log_loss` or `average_precision`.
        seed: of every random draw.
        threads: CPU threads; the model does not depend on them.
    """

    params: Mapping[str, Any] = field(default_factory=dict)
    rounds: int = 1_000
    early_stopping_rounds: int = 50
    metric: str = "auc"
    seed: int = 0
    threads: int = 2

    def __post_init__(self) -> None:
        owned = sorted(OWNED_PARAMETERS & self.params.keys())
        if owned:
            raise DefinitionError(f"LightGBM parameter '{owned[0]}' is set by Headrace and cannot be given in params")
        if self.metric not in LIGHTGBM_METRICS:
            raise DefinitionError(f"no training metric '{self.metric}'; known: {', '.join(LIGHTGBM_METRICS)}")
        if self.rounds < 1 or self.early_stopping_rounds < 0 or self.threads < 1:
            raise DefinitionError(
                f"rounds ({self.rounds}) and threads ({self.threads}) must be at least 1, "
                f"early_stopping_rounds ({self.early_stopping_rounds}) at least 0"
            )

    def lightgbm_parameters(self) -> dict[str, Any]:
        """All parameters for LightGBM, the reproducible ones included."""
        return {
            **self.params,
            "objective": "binary",
            "metric": LIGHTGBM_METRICS[self.metric],
            "seed": self.seed,
            "num_threads": self.threads,
            "deterministic": True,
            "force_row_wise": True,
            "verbosity": -1,
        }

    def to_json(self) -> dict[str, Any]:
        """Encode as JSON data. Threads are left out: the model does not depend on them."""
        return {
            "params": dict(self.params),
            "rounds": self.rounds,
            "early_stopping_rounds": self.early_stopping_rounds,
            "metric": self.metric,
            "seed": self.seed,
        }
