"""LightGBM's objectives and metrics under the field's names: what each learns from, and what may watch it."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from headrace.core.errors import DefinitionError, did_you_mean
from headrace.core.hashing import digest_bytes
from headrace.evaluation.task import DEFAULT_AT, Task

Labels = npt.NDArray[Any]
MetricFunction = Callable[[npt.NDArray[np.float64], npt.NDArray[np.float64]], float]
Bound = Literal["any", "not negative", "above 0", "from 0 to 1"]


@dataclass(frozen=True)
class Objective:
    """One of LightGBM's objectives.

    Attributes:
        name: LightGBM's name.
        task: what a model with it answers.
        metrics: what may watch it, our name -> LightGBM's; the first is the default. `@k` stands for a number.
        labels: which labels it takes, of those that are numbers.
    """

    name: str
    task: Task
    metrics: Mapping[str, str]
    labels: Bound = "any"


@dataclass(frozen=True)
class Metric:
    """What is watched on the validation part, tree by tree; the first one to stop improving ends training.

    Attributes:
        name: such as `auc`; of a metric of your own, any name that LightGBM does not have.
        function: of a metric of your own: (labels float64[n], predictions float64[n], or [n, K] for K classes) to one
            number. None for LightGBM's own, and for one that was read back from a stored model.
        higher_is_better: whether more of it is better.
        lightgbm: LightGBM's name; empty for a metric of your own.
        code: digest of the function's source, so that another function is another model definition.
    """

    name: str
    function: MetricFunction | None = field(default=None, compare=False)
    higher_is_better: bool = True
    lightgbm: str = ""
    code: str = ""

    def __post_init__(self) -> None:
        if self.function is not None and not self.code:
            try:
                source = inspect.getsource(self.function)
            except (OSError, TypeError):
                source = repr(self.function)
            object.__setattr__(self, "code", digest_bytes(source.encode()))

    def to_json(self) -> Any:
        """Encode as JSON data: a name, or what is known of a metric of your own."""
        if self.lightgbm:
            return self.name
        return {"name": self.name, "higher_is_better": self.higher_is_better, "code": self.code}

    @classmethod
    def of(cls, given: str | Metric | Mapping[str, Any], objective: Objective) -> Metric:
        """The metric that a definition, or a stored model, names.

        Raises:
            DefinitionError: the objective has no such metric.
        """
        if isinstance(given, Metric):
            return given
        if isinstance(given, Mapping):
            return cls(given["name"], None, given["higher_is_better"], code=given["code"])
        name = given or next(iter(objective.metrics)).replace("@k", f"@{DEFAULT_AT}")
        base, _, at = name.partition("@")
        wanted = f"{base}@k" if at.isdigit() and int(at) > 0 else name
        if wanted not in objective.metrics or name.endswith("@k"):
            known = ", ".join(objective.metrics)
            raise DefinitionError(
                f"objective '{objective.name}' has no metric '{name}'; known: {known}",
                hint=did_you_mean(name, objective.metrics) or "one of your own: hr.Metric(name, function)",
            )
        return cls(name, None, wanted in _HIGHER, objective.metrics[wanted])

    @property
    def at(self) -> int | None:
        """Of `ndcg@5` the 5; None for metrics of all rows."""
        _, _, at = self.name.partition("@")
        return int(at) if self.lightgbm and at else None


_HIGHER = frozenset({"auc", "average_precision", "auc_mu", "ndcg@k", "map@k"})

# Ours -> LightGBM's, the default first.
_BINARY = {
    "auc": "auc",
    "log_loss": "binary_logloss",
    "average_precision": "average_precision",
    "error_rate": "binary_error",
}
_CLASSES = {"log_loss": "multi_logloss", "error_rate": "multi_error", "auc_mu": "auc_mu"}
_NUMBERS = {
    "rmse": "rmse", "mae": "mae", "mape": "mape", "huber": "huber", "fair": "fair", "pinball": "quantile",
}  # fmt: skip
_RANKS = {"ndcg@k": "ndcg", "map@k": "map"}


def _number(name: str, metrics: dict[str, str], labels: Bound = "any") -> Objective:
    return Objective(name, Task.REGRESSION, {**metrics, **_NUMBERS}, labels)


OBJECTIVES: dict[str, Objective] = {
    one.name: one
    for one in (
        Objective("binary", Task.BINARY, _BINARY),
        Objective("multiclass", Task.MULTICLASS, _CLASSES),
        Objective("multiclassova", Task.MULTICLASS, _CLASSES),
        _number("regression", {}),
        _number("regression_l1", {"mae": "mae"}),
        _number("huber", {"huber": "huber"}),
        _number("fair", {"fair": "fair"}),
        _number("quantile", {"pinball": "quantile"}),
        _number("mape", {"mape": "mape"}),
        _number("poisson", {"poisson_loss": "poisson"}, "not negative"),
        _number("gamma", {"gamma_deviance": "gamma_deviance"}, "above 0"),
        _number("tweedie", {"tweedie_loss": "tweedie"}, "not negative"),
        _number("cross_entropy", {"log_loss": "cross_entropy"}, "from 0 to 1"),
        _number("cross_entropy_lambda", {"log_loss": "cross_entropy_lambda"}, "from 0 to 1"),
        Objective("lambdarank", Task.RANKING, _RANKS),
        Objective("rank_xendcg", Task.RANKING, _RANKS),
    )
}


def find_objective(name: str) -> Objective:
    """The objective of a name.

    Raises:
        DefinitionError: there is none.
    """
    if name not in OBJECTIVES:
        raise DefinitionError(
            f"no objective '{name}'; known: {', '.join(OBJECTIVES)}", hint=did_you_mean(name, OBJECTIVES)
        )
    return OBJECTIVES[name]
