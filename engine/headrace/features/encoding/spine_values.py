"""Expressions evaluated on rows of the spine, of any type: what encoders are fitted to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from headrace.core.errors import InvalidInputError
from headrace.features.definition.expressions import Column, Expression, FeatureColumn, StateColumn, leaves
from headrace.features.execution import compute
from headrace.features.executor.columns import TableColumns
from headrace.features.executor.evaluation import evaluate
from headrace.features.executor.matching import match_states
from headrace.features.executor.spine import Spine
from headrace.features.executor.states import take_states
from headrace.features.plan import FeaturePlan


def evaluate_on_spine(
    plan: FeaturePlan, tables: Mapping[str, pa.Table], spine: pa.Table, expressions: Sequence[Expression]
) -> list[pa.Array]:
    """Evaluate expressions on spine rows, as the executor does for the plan's features.

    Args:
        plan: the plan they belong to.
        tables: stored tables by name.
        spine: pyarrow.Table[n_rows], the rows that ask.
        expressions: over columns, the query time, states, and other features with no unfitted encoder behind them.

    Returns:
        pyarrow.Array[n_rows] for each.

    Raises:
        InvalidInputError: a row has no query time, or a table is missing.
        DefinitionError: types do not fit.
    """
    columns = TableColumns(plan.spine, spine, plan.columns[plan.spine])
    times, valid = columns.times(plan.at.column)
    if valid is not None:
        raise InvalidInputError(f"{int((~valid).sum()):,} training rows of '{plan.spine}' have no query time")
    asking = Spine(columns, times + plan.at.offset_us, plan.at.column, plan.at.offset_us)

    names = sorted(set().union(*map(features_read, expressions)))
    features = compute(plan_of_features(plan, names), tables, spine=spine) if names else None

    def resolve(leaf: Expression) -> Any:
        if isinstance(leaf, Column):
            return columns.arrow(leaf.name)
        if isinstance(leaf, StateColumn):
            view = leaf.view
            states = TableColumns(view.table, tables[view.table], plan.columns[view.table])
            return take_states(states, leaf.column, match_states(view, states, leaf.on, leaf.tolerance_us, asking))
        if isinstance(leaf, FeatureColumn) and features is not None:
            value = features.column(leaf.name).astype(np.float64)
            return pa.array(value, mask=np.isnan(value))
        return pa.array(asking.query_time).cast(pa.timestamp("us", "UTC"))

    return [evaluate(expression, resolve, columns.n_rows) for expression in expressions]


def features_read(expression: Expression) -> set[str]:
    """Names of the features an expression reads."""
    return {leaf.name for leaf in leaves(expression) if isinstance(leaf, FeatureColumn)}


def plan_of_features(plan: FeaturePlan, names: Iterable[str]) -> FeaturePlan:
    """The plan of some features alone, where a pruned plan may have made intermediates of them."""
    rounded = [spec for spec in plan.intermediates if spec.dtype == "float32"]
    others = [spec for spec in plan.intermediates if spec.dtype != "float32"]
    return replace(plan, features=(*plan.features, *rounded), intermediates=tuple(others)).only(names)


def training_rows(rows: npt.NDArray[Any], n_rows: int) -> pa.Array:
    """Flags of the rows that a mask or positions choose: pyarrow.BooleanArray[n_rows].

    Raises:
        InvalidInputError: they choose no row, one twice, or one that is not there.
    """
    chosen = np.asarray(rows)
    if chosen.dtype == np.bool_:
        if chosen.shape != (n_rows,):
            raise InvalidInputError(f"rows is bool{list(chosen.shape)} and the spine has {n_rows:,} rows")
        mask = chosen
    elif chosen.dtype.kind in "iu" and chosen.ndim == 1:
        if len(chosen) and not 0 <= int(chosen.min()) <= int(chosen.max()) < n_rows:
            raise InvalidInputError(f"rows names a row outside of the spine's {n_rows:,} rows")
        mask = np.zeros(n_rows, dtype=np.bool_)
        mask[chosen] = True
        if int(mask.sum()) != len(chosen):
            raise InvalidInputError("rows names a row twice; the training split holds each row once")
    else:
        raise InvalidInputError(f"rows is {chosen.dtype}{list(chosen.shape)}; use a bool mask or row positions")
    if not mask.any():
        raise InvalidInputError("rows chooses no row: there is nothing to learn from")
    return pa.array(mask)
