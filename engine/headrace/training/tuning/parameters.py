"""LightGBM's own list of parameters: one name and its aliases, so that nothing is given twice or misspelled."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

from headrace.core.errors import DefinitionError, did_you_mean
from headrace.training.library import load_lightgbm
from headrace.training.settings import OWNED_PARAMETERS

# What a Dataset is built with. A trial that changes one of these needs a Dataset of its own.
_OF_BINNING = frozenset(
    {
        "max_bin",
        "min_data_in_bin",
        "bin_construct_sample_cnt",
        "use_missing",
        "zero_as_missing",
        "enable_bundle",
        "is_enable_sparse",
        "max_bin_by_feature",
        "linear_tree",
        "data_random_seed",
    }
)

# The values that LightGBM takes for what a project does not set; those of the default search space.
_UNSET: dict[str, Any] = {
    "learning_rate": 0.1,
    "num_leaves": 31,
    "min_data_in_leaf": 20,
    "feature_fraction": 1.0,
    "bagging_fraction": 1.0,
    "lambda_l1": 0.0,
    "lambda_l2": 0.0,
    "min_gain_to_split": 0.0,
    "extra_trees": False,
    "path_smooth": 0.0,
    "max_bin": 255,
    "min_data_in_bin": 3,
    "lambdarank_truncation_level": 30,
}


def main_name(name: str) -> str:
    """LightGBM's first name of a parameter, given any of its names.

    Raises:
        DefinitionError: it has no such parameter; the message names the nearest one.
    """
    known = _main_names()
    if name not in known:
        raise DefinitionError(f"LightGBM has no parameter '{name}'", hint=did_you_mean(name, known))
    return known[name]


def check_tunable(name: str) -> str:
    """The first name of a parameter that a search space may hold.

    Raises:
        DefinitionError: LightGBM has none of that name, or Headrace sets it.
    """
    main = main_name(name)
    if name in OWNED_PARAMETERS or main in OWNED_PARAMETERS:
        why = "trees are counted by early stopping" if main == "num_iterations" else "it is set by Headrace"
        raise DefinitionError(f"parameter '{name}' cannot be tuned: {why}")
    return main


def is_of_binning(name: str) -> bool:
    """Whether a Dataset depends on the parameter."""
    return main_name(name) in _OF_BINNING


def overlaid(params: Mapping[str, Any], chosen: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters with some chosen anew: a parameter that stands there under another of its names goes."""
    taken = {main_name(name) for name in chosen}
    return {**{name: value for name, value in params.items() if _main_or_own(name) not in taken}, **chosen}


def value_in(params: Mapping[str, Any], name: str) -> Any:
    """The value that a parameter has, under whatever name it stands there; LightGBM's own where it does not.

    None where it is not set and LightGBM's own value is not known here.
    """
    main = main_name(name)
    found = next((value for given, value in params.items() if _main_or_own(given) == main), None)
    return _UNSET.get(main) if found is None else found


def draws_rows(params: Iterable[str]) -> bool:
    """Whether a frequency of bagging is among the parameters: without it a fraction does nothing."""
    return any(_main_or_own(name) == "bagging_freq" for name in params)


def _main_or_own(name: str) -> str:
    return _main_names().get(name, name)


@cache
def _main_names() -> dict[str, str]:
    # Python's door to the C library's own table; there is no public one.
    table = load_lightgbm().basic._ConfigAliases._get_all_param_aliases()  # noqa: SLF001
    return {alias: main for main, aliases in table.items() for alias in {main, *aliases}}
