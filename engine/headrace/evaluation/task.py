"""What a model answers: one of two, one of several, a number, an order. Figures, labels and outputs follow from it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

DEFAULT_AT = 10


class Task(Enum):
    """The kind of question a model answers."""

    BINARY = "binary"
    MULTICLASS = "multiclass"
    REGRESSION = "regression"
    RANKING = "ranking"


@dataclass(frozen=True)
class Question:
    """What a model answers, as far as figures depend on it.

    Attributes:
        task: the kind.
        classes: names of a multiclass model's outputs, in order.
        quantile: which quantile a regression predicts; None: its middle.
        counts: a regression predicts how often something happens: figures include the Poisson deviance.
        at: how many of a query's first rows a ranking is judged by.
    """

    task: Task = Task.BINARY
    classes: tuple[str, ...] = ()
    quantile: float | None = None
    counts: bool = False
    at: int = DEFAULT_AT

    @property
    def leading(self) -> str:
        """The metric that headlines, slices and comparisons are led by where nothing else is asked for."""
        if self.task is Task.REGRESSION:
            return "pinball" if self.quantile is not None else "poisson_deviance" if self.counts else "rmse"
        return {Task.BINARY: "auc", Task.MULTICLASS: "log_loss"}.get(self.task, f"ndcg@{self.at}")
