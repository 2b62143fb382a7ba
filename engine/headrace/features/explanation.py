"""The events behind one feature value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from headrace.core.errors import UnimplementedError
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

    Args:
        plan: the plan the feature belongs to.
        tables: stored tables by name.
        row: position in the spine table.
        feature: the feature's name.

    Raises:
        InvalidInputError: there is no such row or feature.
    """
    raise UnimplementedError("explanations come with the next commit")
