"""How a model is trained: a few names of ours, and whatever LightGBM takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from headrace.core.errors import DefinitionError, did_you_mean
from headrace.evaluation.task import Task
from headrace.training.objectives import Metric, Objective, find_objective

# Set by the trainer itself, or by names of ours: reproducible training is a promise, not a parameter.
_OURS = {
    "objective": "objective", "metric": "metric", "seed": "seed", "num_class": "the target's classes",
    "monotone_constraints": "monotone", "interaction_constraints": "interactions", "class_weight": "class_weight",
    "num_threads": "--threads", "num_iterations": "rounds", "early_stopping_round": "early_stopping_rounds",
}  # fmt: skip
OWNED_PARAMETERS = frozenset(
    {"deterministic", "force_row_wise", "force_col_wise", "verbosity", "feature_pre_filter", *_OURS}
)


@dataclass(frozen=True)
class TrainingSettings:
    """Settings of one training run.

    Attributes:
        params: LightGBM parameters beyond those below, such as `num_leaves`.
        rounds: most trees (of several classes: most rounds of one tree a class).
        early_stopping_rounds: stop after so many rounds without improvement on validation; 0 never stops.
        metric: what early stopping watches; empty is the objective's default.
        seed: of every random draw.
        threads: CPU threads; the model does not depend on them.
        objective: LightGBM's name of what is minimised.
        n_classes: of a multiclass objective, at least 2; else 1.
        class_weight: `balanced`, or the weight of each class by its number (0 and 1 of a binary model); empty: alike.
        monotone: feature -> 1 where predictions may only rise with it, -1 where they may only fall.
        interactions: groups of features that may meet on one path of a tree; those in no group form one of their own.
    """

    params: Mapping[str, Any] = field(default_factory=dict)
    rounds: int = 1_000
    early_stopping_rounds: int = 50
    metric: str | Metric = ""
    seed: int = 0
    threads: int = 2
    objective: str = "binary"
    n_classes: int = 1
    class_weight: str | Mapping[int, float] = ""
    monotone: Mapping[str, int] = field(default_factory=dict)
    interactions: Sequence[Sequence[str]] = ()

    def __post_init__(self) -> None:
        owned = sorted(OWNED_PARAMETERS & self.params.keys())
        if owned:
            ours = f"; its name here is {_OURS[owned[0]]}" if owned[0] in _OURS else ""
            raise DefinitionError(
                f"LightGBM parameter '{owned[0]}' is set by Headrace and cannot be given in params{ours}"
            )
        task = self.task
        object.__setattr__(self, "metric", Metric.of(self.metric, self.goal))
        if self.rounds < 1 or self.early_stopping_rounds < 0 or self.threads < 1:
            raise DefinitionError(
                f"rounds ({self.rounds}) and threads ({self.threads}) must be at least 1, "
                f"early_stopping_rounds ({self.early_stopping_rounds}) at least 0"
            )
        if (self.n_classes < 2) == (task is Task.MULTICLASS):
            needs = "needs at least two classes" if task is Task.MULTICLASS else "has no use for classes"
            raise DefinitionError(
                f"objective '{self.objective}' {needs}, not {self.n_classes}",
                hint='name the values of the target: classes=["early", "late"]' if task is Task.MULTICLASS else None,
            )
        if self.class_weight and task not in {Task.BINARY, Task.MULTICLASS}:
            raise DefinitionError(f"class_weight is for classes; objective '{self.objective}' has none")
        if isinstance(self.class_weight, str) and self.class_weight not in {"", "balanced"}:
            raise DefinitionError(f"class_weight '{self.class_weight}' is not known; 'balanced', or a weight a class")
        wrong = next((name for name, sign in self.monotone.items() if sign not in {-1, 0, 1}), None)
        if wrong is not None:
            raise DefinitionError(f"monotone: '{wrong}' is {self.monotone[wrong]}; 1 rises, -1 falls, 0 is free")

    @property
    def goal(self) -> Objective:
        """The objective."""
        return find_objective(self.objective)

    @property
    def task(self) -> Task:
        """What the model answers."""
        return self.goal.task

    @property
    def watched(self) -> Metric:
        """What early stopping watches."""
        assert isinstance(self.metric, Metric)
        return self.metric

    def lightgbm_parameters(self, names: Sequence[str]) -> dict[str, Any]:
        """All parameters for LightGBM, the reproducible ones included.

        Args:
            names: of the features, in the matrix's order.

        Raises:
            DefinitionError: a constraint names a feature that is not there.
        """
        parameters = {
            **self.params,
            "objective": self.objective,
            "metric": self.watched.lightgbm or "None",
            "seed": self.seed,
            "num_threads": self.threads,
            "deterministic": True,
            "force_row_wise": True,
            "feature_pre_filter": False,  # one binned dataset serves every trial of a study
            "verbosity": -1,
        }
        if self.task is Task.MULTICLASS:
            parameters["num_class"] = self.n_classes
        if self.watched.at:
            parameters["eval_at"] = [self.watched.at]
        if self.monotone:
            places = _places(self.monotone, names, "monotone")
            signs = dict(zip(places, self.monotone.values(), strict=True))
            parameters["monotone_constraints"] = [signs.get(place, 0) for place in range(len(names))]
        if self.interactions:
            groups = [_places(group, names, "interactions") for group in self.interactions]
            rest = sorted(set(range(len(names))).difference(*groups))
            parameters["interaction_constraints"] = [*groups, *([rest] if rest else [])]
        return parameters

    def to_json(self) -> dict[str, Any]:
        """Encode as JSON data. Threads are left out: the model does not depend on them."""
        weight = self.class_weight
        extras = {
            "objective": self.objective if self.objective != "binary" else None,
            "n_classes": self.n_classes if self.n_classes > 1 else None,
            "class_weight": weight if isinstance(weight, str) else {str(key): w for key, w in weight.items()},
            "monotone": dict(self.monotone),
            "interactions": [list(group) for group in self.interactions],
        }
        return {
            "params": dict(self.params),
            "rounds": self.rounds,
            "early_stopping_rounds": self.early_stopping_rounds,
            "metric": self.watched.to_json(),
            "seed": self.seed,
            **{name: value for name, value in extras.items() if value},
        }

    @classmethod
    def from_json(cls, body: Mapping[str, Any], *, threads: int) -> TrainingSettings:
        """Decode what `to_json` gave."""
        found = dict(body)
        if isinstance(found.get("class_weight"), dict):
            found["class_weight"] = {int(key): weight for key, weight in found["class_weight"].items()}
        objective = find_objective(found.get("objective", "binary"))
        return cls(**{**found, "metric": Metric.of(found["metric"], objective), "threads": threads})


def _places(wanted: Mapping[str, Any] | Sequence[str], names: Sequence[str], what: str) -> list[int]:
    known = {name: place for place, name in enumerate(names)}
    for name in wanted:
        if name not in known:
            raise DefinitionError(f"{what}: there is no feature '{name}'", hint=did_you_mean(name, names))
    return [known[name] for name in wanted]
