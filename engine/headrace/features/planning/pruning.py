"""A plan of fewer features: columns, views, encoders and intermediates that nothing reads any more are left out."""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace

from headrace.features.plan import FeaturePlan, FeatureSpec
from headrace.features.planning.reads import reads, required


def pruned(plan: FeaturePlan, features: Sequence[FeatureSpec]) -> FeaturePlan:
    """The plan of these features alone, in the plan's order, with the same values.

    A feature that is left out and still read becomes an intermediate of dtype float32: rounded as in the matrix.

    Args:
        plan: the whole plan.
        features: some of its features.
    """
    names = {feature.name for feature in features}
    needed = set(required(plan, names))
    kept = tuple(spec for spec in plan.features if spec.name in names)
    moved = [spec for spec in plan.features if spec.name in needed - names]
    intermediates = (*(spec for spec in plan.intermediates if spec.name in needed), *moved)
    found = reads(plan, [spec.step for spec in (*kept, *intermediates)])
    found.columns.add((plan.spine, plan.at.column))
    if plan.row_id is not None:
        found.columns.add((plan.spine, plan.row_id))
    columns = {
        table: {name: dtype for name, dtype in columns.items() if (table, name) in found.columns}
        for table, columns in plan.columns.items()
    }
    return replace(
        plan,
        columns={table: columns_read for table, columns_read in columns.items() if columns_read},
        event_views={name: view for name, view in plan.event_views.items() if name in found.event_views},
        state_views={name: view for name, view in plan.state_views.items() if name in found.state_views},
        features=kept,
        intermediates=intermediates,
        encoders={name: encoder for name, encoder in plan.encoders.items() if name in found.encoders},
    )


def names_without(plan: FeaturePlan, roles: AbstractSet[str]) -> list[str]:
    """Names of the features that have none of these roles and read, at any depth, no feature that has."""
    role_of = {spec.name: spec.role for spec in (*plan.features, *plan.intermediates)}
    return [
        spec.name for spec in plan.features if not any(role_of[name] in roles for name in required(plan, [spec.name]))
    ]
