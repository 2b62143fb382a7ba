"""The events behind one feature value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from headrace.core.errors import InvalidInputError
from headrace.features.execution import compute
from headrace.features.plan import FeaturePlan, FeatureSpec
from headrace.features.planning.pruning import pruned
from headrace.features.planning.reads import reads

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class Explanation:
    """Why a feature has its value.

    Attributes:
        feature: the feature's name.
        description: what it computes.
        query_time_us: the row's query time, microseconds since 1970-01-01 UTC.
        value: the value; NaN = missing.
        events: rows of the source table that made it, in the order they count in; the row that asks where no table is
            read.
        inputs: the same for each feature or intermediate value that an expression reads.
    """

    feature: str
    description: str
    query_time_us: int
    value: float
    events: pa.Table
    inputs: tuple[Explanation, ...] = ()


def explain(plan: FeaturePlan, tables: Mapping[str, pa.Table], row: int, feature: str) -> Explanation:
    """List the events behind one value.

    For a window: the visible events inside it that satisfy its condition, and the row itself where it is included. For
    a state: the row that was last known. For a rate or a time-aware encoding: the events of the entity. Otherwise: the
    row that asks. `inputs` explains what an expression reads.

    Args:
        plan: the plan the feature belongs to.
        tables: stored tables by name.
        row: position in the spine table.
        feature: the feature's name.

    Raises:
        InvalidInputError: there is no such row or feature.
    """
    spec = plan.feature(feature)
    spine = tables[plan.spine]
    if not 0 <= row < spine.num_rows:
        raise InvalidInputError(f"'{plan.spine}' has {spine.num_rows:,} rows, counted from 0: there is no row {row:,}")
    return _explained(plan, tables, spine.slice(row, 1), spec)


def _explained(plan: FeaturePlan, tables: Mapping[str, pa.Table], asking: pa.Table, spec: FeatureSpec) -> Explanation:
    from headrace.features.explanations.rows import rows_behind

    alone = pruned(_with_feature(plan, spec), [spec])
    matrix = compute(alone, tables, spine=asking, threads=1)
    query_time_us = int(matrix.query_time[0])
    specs = {each.name: each for each in (*plan.intermediates, *plan.features)}
    names = reads(plan, [spec.step]).features
    order = [name for name in specs if name in names]
    inputs = tuple(_explained(plan, tables, asking, specs[name]) for name in order)
    of_events = spec.role == "window" and bool(inputs)
    events = inputs[0].events if of_events else rows_behind(plan, spec.step, tables, asking, query_time_us)
    return Explanation(spec.name, spec.description, query_time_us, float(matrix.values[0, 0]), events, inputs)


def _with_feature(plan: FeaturePlan, spec: FeatureSpec) -> FeaturePlan:
    """The plan with an intermediate as a feature, so that its value can be asked for."""
    if spec in plan.features:
        return plan
    others = tuple(each for each in plan.intermediates if each.name != spec.name)
    return replace(plan, features=(*plan.features, replace(spec, dtype="float32")), intermediates=others)
