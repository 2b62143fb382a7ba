"""The events behind one feature value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from headrace.core.errors import InvalidInputError
from headrace.features.execution import compute
from headrace.features.plan import FeaturePlan

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
        events: rows of the source table that made it, in time order.
    """

    feature: str
    description: str
    query_time_us: int
    value: float
    events: pa.Table


def explain(plan: FeaturePlan, tables: Mapping[str, pa.Table], row: int, feature: str) -> Explanation:
    """List the events behind one value.

    For a window: the visible events inside it. For a state: the row that was last known. Otherwise: the spine row.

    Args:
        plan: the plan the feature belongs to.
        tables: stored tables by name.
        row: position in the spine table.
        feature: the feature's name.

    Raises:
        InvalidInputError: there is no such row or feature.
    """
    from headrace.features.explanation_rows import rows_behind

    spec = plan.feature(feature)
    spine = tables[plan.spine]
    if not 0 <= row < spine.num_rows:
        raise InvalidInputError(f"'{plan.spine}' has {spine.num_rows:,} rows, counted from 0: there is no row {row:,}")
    asking = spine.slice(row, 1)
    matrix = compute(plan.only([feature]), tables, spine=asking, threads=1)
    query_time_us = int(matrix.query_time[0])
    events = rows_behind(plan, spec.step, tables, asking, query_time_us)
    return Explanation(feature, spec.description, query_time_us, float(matrix.values[0, 0]), events)
