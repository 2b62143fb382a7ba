"""Encoders: columns of the spine row made into numbers a model reads, some fitted to a training split.

Categories are strings, integers or booleans; numbers are integers, floats or booleans. A null gives NaN unless
`null_category=True` makes it a category of its own. What fitting found is kept in the plan, see `fitting.py`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from headrace.core.errors import DefinitionError
from headrace.features.definition.expressions import (
    Call,
    Column,
    Expression,
    FeatureColumn,
    NamedExpression,
    StateColumn,
    leaves,
)
from headrace.features.definition.locations import caller_location, located_hint
from headrace.features.plan import EncoderSpec
from headrace.features.planning.dtypes import KEYS, NUMBERS

Category: TypeAlias = "str | int | bool"
Source: TypeAlias = "str | Expression | NamedExpression"

CATEGORICAL = frozenset({"one_hot", "ordinal", "frequency", "hashed"})
MAX_CODES = 2**24
"""float32 holds every whole number up to this one."""


@dataclass(frozen=True, eq=False)
class EncoderFeature:
    """An encoder of one value of the spine row; made by `one_hot`, `scaled` and the others.

    Attributes:
        kind: which encoder.
        of: what it reads.
        settings: JSON data.
        prefix: begins the names of its features.
        parts: suffix and description of each of its columns, in the order of their numbers.
        needs_fitting: whether a training split has to be seen first.
    """

    kind: str
    of: Expression
    settings: Mapping[str, Any]
    prefix: str
    parts: tuple[tuple[str, str], ...]
    needs_fitting: bool
    location: str = field(default_factory=caller_location, repr=False, compare=False)

    @property
    def dtypes(self) -> frozenset[str]:
        """Types of values it accepts."""
        return KEYS if self.kind in CATEGORICAL else NUMBERS

    def specs(self) -> tuple[EncoderSpec, list[tuple[str, int, str]]]:
        """The plan's encoder, and name, part and description of each feature."""
        name = f"{self.prefix}_{self.kind}"
        spec = EncoderSpec(name, self.kind, (self.of,), dict(self.settings), None if self.needs_fitting else {})
        return spec, [(f"{self.prefix}_{suffix}", part, text) for part, (suffix, text) in enumerate(self.parts)]


def one_hot(
    column: Source,
    *,
    categories: Sequence[Category] | None = None,
    max_categories: int = 10,
    min_count: int = 1,
    other: bool = False,
    null_category: bool = False,
) -> EncoderFeature:
    """A column of 0 and 1 for each category: features `<column>_is_<value>`, or `<column>_top_<rank>` where fitted.

    Fitted categories are the most frequent ones of the training split, ties by value; ranks that the training split
    does not fill are 0 in every row. An unknown category is 0 in all of them, and 1 in `<column>_is_other` if asked
    for. A null is NaN in all of them, or 0 and 1 in `<column>_is_null`.

    Args:
        column: a column's name, or an expression of strings, integers or booleans.
        categories: the categories, which makes fitting unnecessary.
        max_categories: how many are fitted.
        min_count: rows of the training split a fitted category needs.
        other: add the column for all other categories.
        null_category: make null a category.

    Raises:
        DefinitionError: categories of several types or the same ones twice, or a number that is no count.
    """
    of, prefix = _source(column)
    if categories is not None:
        known = _checked_categories(categories)
        parts = [(f"is_{_label(value)}", f"whether {prefix} is {value!r}") for value in known]
    else:
        known = None
        _require(1 <= max_categories <= 1000, f"max_categories is {max_categories}; allowed: 1 to 1000")
        _require(min_count >= 1, f"min_count is {min_count}; it must be at least 1")
        ranks = range(1, max_categories + 1)
        parts = [(f"top_{rank}", f"whether {prefix} is number {rank} by frequency in training") for rank in ranks]
    if other:
        parts.append(("is_other", f"whether {prefix} is none of its own categories"))
    if null_category:
        parts.append(("is_null", f"whether {prefix} is missing"))
    settings = {
        "categories": known, "max_categories": max_categories if known is None else len(known), "min_count": min_count,
        "other": other, "null_category": null_category,
    }  # fmt: skip
    return EncoderFeature("one_hot", of, settings, prefix, tuple(parts), known is None)


def ordinal(
    column: Source, *, categories: Sequence[Category] | None = None, null_category: bool = False
) -> EncoderFeature:
    """The number of the category: feature `<column>_ordinal`; in the order given, or ascending as fitted, from 0.

    An unknown category is -1. A null is NaN, or with `null_category` the number after the last category's.

    Raises:
        DefinitionError: categories of several types, or the same ones twice.
    """
    of, prefix = _source(column)
    known = None if categories is None else _checked_categories(categories)
    settings = {"categories": known, "null_category": null_category}
    parts = (("ordinal", f"number of the category of {prefix}"),)
    return EncoderFeature("ordinal", of, settings, prefix, parts, known is None)


def frequency(column: Source, *, null_category: bool = False) -> EncoderFeature:
    """Share of the training split's rows with this category: feature `<column>_frequency`.

    An unknown category is 0. A null is NaN and not counted, or with `null_category` counted as a category. For shares
    that follow the time of each row see `frequency_encoding`, which needs no fitting.
    """
    of, prefix = _source(column)
    parts = (("frequency", f"share of training rows with the same {prefix}"),)
    return EncoderFeature("frequency", of, {"null_category": null_category}, prefix, parts, needs_fitting=True)


def hashed(column: Source, *, buckets: int = 64, seed: int = 0, null_category: bool = False) -> EncoderFeature:
    """Number of the bucket that the value's hash falls into: feature `<column>_hashed`; needs no fitting.

    The bucket is XXH64 of the value modulo `buckets`. A null is NaN, or the number `buckets`.

    Raises:
        DefinitionError: `buckets` or `seed` is outside its range.
    """
    of, prefix = _source(column)
    _require(2 <= buckets < MAX_CODES, f"buckets is {buckets}; allowed: 2 to {MAX_CODES - 1:,}")
    _require(0 <= seed < 2**63, f"seed is {seed}; allowed: 0 to 2**63 - 1")
    settings = {"buckets": buckets, "seed": seed, "null_category": null_category}
    parts = (("hashed", f"bucket of {prefix} among {buckets:,}"),)
    return EncoderFeature("hashed", of, settings, prefix, parts, needs_fitting=False)


def binned(
    column: Source, *, bins: int = 10, edges: Sequence[float] | None = None, null_category: bool = False
) -> EncoderFeature:
    """Number of the bin: feature `<column>_bin`, how many edges are not greater than the value.

    Fitted edges are the training split's quantiles i / bins, each one of its values, equal ones merged. Missing (null
    or NaN) is NaN, or with `null_category` the number after the last bin's; infinite values fall into the outer bins.

    Raises:
        DefinitionError: fewer than two bins, or edges that do not ascend.
    """
    of, prefix = _source(column)
    _require(2 <= bins <= 10_000, f"bins is {bins}; allowed: 2 to 10,000")
    given = None if edges is None else [float(edge) for edge in edges]
    if given is not None:
        ascending = bool(given) and all(map(math.isfinite, given)) and sorted(set(given)) == given
        _require(ascending, f"edges {given} must be finite and ascend, one at least")
    settings = {"bins": bins if given is None else len(given) + 1, "edges": given, "null_category": null_category}
    return EncoderFeature("binned", of, settings, prefix, (("bin", f"bin of {prefix}"),), given is None)


def scaled(column: Source) -> EncoderFeature:
    """(value - mean) / sample standard deviation of the training split: feature `<column>_scaled`.

    A column that does not vary in training is divided by 1. Missing stays NaN.
    """
    of, prefix = _source(column)
    parts = (("scaled", f"{prefix} less its mean, in standard deviations"),)
    return EncoderFeature("scaled", of, {}, prefix, parts, needs_fitting=True)


def robust_scaled(column: Source, *, low: float = 0.25, high: float = 0.75) -> EncoderFeature:
    """(value - median) / (quantile high - quantile low) of the training split: feature `<column>_robust_scaled`.

    Where the two quantiles are equal the divisor is 1. Missing stays NaN.

    Raises:
        DefinitionError: not 0 <= low < high <= 1.
    """
    of, prefix = _source(column)
    _require(0.0 <= low < high <= 1.0, f"low={low}, high={high}: both between 0 and 1, low below high")
    parts = (("robust_scaled", f"{prefix} less its median, in distances of its quantiles {low} and {high}"),)
    settings = {"low": float(low), "high": float(high)}
    return EncoderFeature("robust_scaled", of, settings, prefix, parts, needs_fitting=True)


def min_max(column: Source, *, clip: bool = False) -> EncoderFeature:
    """(value - smallest) / (largest - smallest) of the training split: feature `<column>_min_max`.

    Values beyond what training saw lie outside of [0, 1], or are clipped. A column that does not vary is divided by 1.
    Missing stays NaN.
    """
    of, prefix = _source(column)
    parts = (("min_max", f"{prefix} between its smallest and largest value in training"),)
    return EncoderFeature("min_max", of, {"clip": clip}, prefix, parts, needs_fitting=True)


def clipped(
    column: Source, *, low: float | None = 0.01, high: float | None = 0.99, absolute: bool = False
) -> EncoderFeature:
    """The value, no lower than `low` and no higher than `high`: feature `<column>_clipped`.

    Args:
        column: a column's name, or an expression that gives numbers; missing stays NaN.
        low: quantile of the training split, or None for no bound.
        high: the same above.
        absolute: `low` and `high` are values, not quantiles, and nothing is fitted.

    Raises:
        DefinitionError: no bound, low not below high, or a quantile outside [0, 1].
    """
    of, prefix = _source(column)
    bounds = [float(bound) for bound in (low, high) if bound is not None]
    _require(bool(bounds) and all(map(math.isfinite, bounds)), f"low={low}, high={high}: one at least, finite")
    _require(sorted(set(bounds)) == bounds, f"low={low} must be below high={high}")
    _require(absolute or (bounds[0] >= 0.0 and bounds[-1] <= 1.0), f"low={low}, high={high}: quantiles are in [0, 1]")
    settings = {
        "low": None if low is None else float(low), "high": None if high is None else float(high), "absolute": absolute,
    }  # fmt: skip
    return EncoderFeature("clipped", of, settings, prefix, (("clipped", f"{prefix} within bounds"),), not absolute)


def imputed(
    column: Source, with_: Literal["median", "mean"] | float = "median", *, indicator: bool = True
) -> EncoderFeature:
    """The value, and another one where it is missing: features `<column>_imputed` and `<column>_was_missing`.

    Args:
        column: a column's name, or an expression that gives numbers; null and NaN are missing, Inf is not.
        with_: the training split's median or mean, or a number.
        indicator: add the column that is 1 where the value was missing, else 0.

    Raises:
        DefinitionError: `with_` is none of these.
    """
    of, prefix = _source(column)
    number = isinstance(with_, int | float) and not isinstance(with_, bool) and math.isfinite(with_)
    _require(number or with_ in {"median", "mean"}, f"with_={with_!r}; allowed: 'median', 'mean' or a finite number")
    parts = [("imputed", f"{prefix}, or {'its ' if not number else ''}{with_} where it is missing")]
    if indicator:
        parts.append(("was_missing", f"whether {prefix} is missing"))
    settings = {"with": float(with_) if number else with_, "indicator": indicator}
    return EncoderFeature("imputed", of, settings, prefix, tuple(parts), not number)


def _source(column: Source) -> tuple[Expression, str]:
    """What is read, and how its features' names begin."""
    if isinstance(column, str):
        return Column(column), column
    if isinstance(column, NamedExpression):
        return column.expression, column.name
    if not isinstance(column, Expression):
        raise DefinitionError(f"an encoder of {column!r}: use a column's name or an expression", hint=caller_location())
    crossed = isinstance(column, Call) and column.function == "cross"
    names = [_leaf_name(leaf) for leaf in (leaves(column) if crossed else [column])]
    if None in names:
        hint = located_hint(caller_location(), "name it: expression.named('...')")
        raise DefinitionError(f"an encoder of '{column}' has no name for its features", hint=hint)
    return column, "_".join(name for name in names if name is not None)


def _leaf_name(leaf: Expression) -> str | None:
    if isinstance(leaf, Column | FeatureColumn):
        return leaf.name
    return f"{leaf.view.name}_{leaf.column}" if isinstance(leaf, StateColumn) else None


def _checked_categories(categories: Sequence[Category]) -> list[Category]:
    known = list(categories)
    kinds = {type(value) for value in known}
    _require(0 < len(known) < MAX_CODES, "categories must name one category at least")
    _require(len(kinds) == 1 and kinds <= {str, int, bool}, f"categories {known} must be strings, integers or booleans")
    _require(len(set(known)) == len(known), f"categories {known} name one of them twice")
    return known


def _label(value: Category) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _require(condition: bool, message: str) -> None:  # noqa: FBT001 - it is the condition
    if not condition:
        raise DefinitionError(message, hint=caller_location())
