"""The search space: which of LightGBM's parameters are tried, and within what."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from headrace.core.errors import DefinitionError
from headrace.evaluation.task import Task
from headrace.training.settings import TrainingSettings
from headrace.training.tuning.parameters import check_tunable, draws_rows, is_of_binning, overlaid, value_in
from headrace.training.tuning.ranges import Choice, FloatRange, IntRange, Range, describe_range


@dataclass(frozen=True)
class SearchSpace:
    """Parameter -> what it may be.

    Attributes:
        ranges: under the names that the trials' settings are given.
    """

    ranges: Mapping[str, Range]

    @property
    def of_binning(self) -> tuple[str, ...]:
        """Those that a Dataset depends on."""
        return tuple(name for name in self.ranges if is_of_binning(name))

    def nearest(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """The point of the space that is nearest to what a project sets; its own values may lie outside."""
        point = {}
        for name, one in self.ranges.items():
            value = value_in(params, name)
            if name == "bagging_fraction" and not draws_rows(params):
                value = 1.0
            point[name] = one.nearest(_middle(one) if value is None else value)
        return point

    def contains(self, params: Mapping[str, Any]) -> bool:
        """Whether all of some parameters, and no others, are points of the space."""
        return params.keys() == self.ranges.keys() and all(
            one.nearest(params[name]) == params[name] for name, one in self.ranges.items()
        )

    def settle(self, settings: Mapping[str, Any], chosen: Mapping[str, Any]) -> dict[str, Any]:
        """LightGBM's parameters of a trial: the project's, with the chosen ones in their place."""
        params = overlaid(settings, chosen)
        if "bagging_fraction" in chosen and not draws_rows(params):
            params["bagging_freq"] = 1  # without it the fraction does nothing
        return params

    def to_json(self) -> dict[str, Any]:
        """Encode as JSON data."""
        return {name: describe_range(one) for name, one in self.ranges.items()}

    def distributions(self) -> dict[str, Any]:
        """As Optuna takes them."""
        return {name: _distribution(one) for name, one in self.ranges.items()}


def build_space(declared: Mapping[str, Range | None], settings: TrainingSettings, rows: int) -> SearchSpace:
    """Defaults for the objective and the number of rows, with the user's own in their place.

    Args:
        declared: parameter -> range; None leaves a parameter of the defaults as the project sets it.
        settings: the objective.
        rows: of the training part.

    Raises:
        DefinitionError: a parameter that LightGBM does not have or that is not tuned; a range of what binning depends
            on (it takes a choice); nothing left to tune.
    """
    ranges = default_ranges(settings, rows)
    mains = {check_tunable(name): name for name in ranges}
    for name, one in declared.items():
        if one is not None and not isinstance(one, Range):
            raise DefinitionError(f"space: '{name}' is {one!r}; an IntRange, a FloatRange, a Choice, or None")
        ranges.pop(mains.get(check_tunable(name), ""), None)
        if one is None:
            continue
        if is_of_binning(name) and not isinstance(one, Choice):
            raise DefinitionError(
                f"space: bins depend on '{name}', and every value needs a dataset of its own; give a choice of a few",
                hint=f'"{name}": hr.Choice(63, 255)',
            )
        ranges[name] = one
    if not ranges:
        raise DefinitionError("the search space is empty: every parameter is left as it is")
    return SearchSpace(ranges)


def default_ranges(settings: TrainingSettings, rows: int) -> dict[str, Range]:
    """What is worth trying for an objective and a number of rows.

    Leaves and rows a leaf bound each other: both follow the rows. The number of trees is not tuned, early stopping
    finds it for each learning rate. What binning depends on stays out: all trials share one Dataset.
    """
    most_leaves = 63 if settings.task is Task.MULTICLASS else 255
    ranges: dict[str, Range] = {
        "learning_rate": FloatRange(0.02, 0.3, log=True),
        "num_leaves": IntRange(4, max(8, min(most_leaves, rows // 50)), log=True),
        "min_child_samples": IntRange(max(1, rows // 20_000), max(20, rows // 100), log=True),
        "feature_fraction": FloatRange(0.1, 1.0),
        "bagging_fraction": FloatRange(0.4, 1.0),
        "lambda_l1": FloatRange(1e-3, 100.0, log=True),
        "lambda_l2": FloatRange(1e-3, 300.0, log=True),
        "path_smooth": FloatRange(1e-2, 100.0, log=True),
        "extra_trees": Choice(False, True),
    }
    if settings.task in {Task.BINARY, Task.MULTICLASS}:  # elsewhere a gain has the unit of the labels, squared
        ranges["min_split_gain"] = FloatRange(1e-3, 10.0, log=True)
    if settings.objective == "lambdarank":
        ranges["lambdarank_truncation_level"] = IntRange(5, 100, log=True)
    return ranges


def _distribution(one: Range) -> Any:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if isinstance(one, Choice):
        return CategoricalDistribution(one.values)
    if isinstance(one, IntRange):
        return IntDistribution(one.low, one.high, log=one.log)
    return FloatDistribution(one.low, one.high, log=one.log)


def _middle(one: Range) -> Any:
    if isinstance(one, Choice):
        return one.values[0]
    return (one.low * one.high) ** 0.5 if one.log else (one.low + one.high) / 2
