"""Refuse features that would know the target: what a model is to learn must not be among what it learns from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from headrace.core.errors import DefinitionError
from headrace.features.definition.expressions import Column, Expression, StateColumn, leaves
from headrace.features.definition.locations import located_hint
from headrace.features.plan import (
    CalendarStep,
    EncoderStep,
    ExpressionStep,
    FeaturePlan,
    FeatureSpec,
    StateStep,
    WindowStep,
)
from headrace.features.planning.draft import Draft
from headrace.features.planning.reads import required
from headrace.features.views import StateView


def check_target(
    plan: FeaturePlan, schema: Mapping[str, str], target: Expression, places: Mapping[str, str], location: str
) -> None:
    """Check that no feature reads a column of the target before it is known.

    A column that the target reads must not be read from the row itself, nor name its entity, nor come from events or
    states of the spine's own table unless the view says when they become known (`available_at`, delay, `valid_from`).

    Args:
        plan: the features.
        schema: column types of the spine's table.
        target: an expression over the spine row.
        places: where each feature was written, by name.
        location: where the feature set was written.

    Raises:
        DefinitionError: a feature knows the target, or the target reads a column that is not there.
    """
    draft = Draft({plan.spine: schema}, plan.spine, plan.at, location)
    dtype = draft.asked_dtype(target)
    if dtype not in {"bool", "int64", "float64", "string"}:
        raise draft.error(f"the target '{target}' is a {dtype}, neither a condition, a number nor a class")
    secret = {leaf.name for leaf in leaves(target) if isinstance(leaf, Column)}
    specs = {spec.name: spec for spec in (*plan.intermediates, *plan.features)}
    for feature in plan.features:
        for name in required(plan, [feature.name]):
            known = sorted(secret & _known_too_early(plan, specs[name]))
            if known:
                raise DefinitionError(
                    f"feature '{feature.name}' reads '{known[0]}' of '{plan.spine}', as the target '{target}' does: it "
                    "would know the answer",
                    hint=located_hint(places.get(feature.name, location), _advice(specs[name])),
                )


def _known_too_early(plan: FeaturePlan, spec: FeatureSpec) -> set[str]:
    """Columns of the spine's table that a feature reads as if they were known when the row asks."""
    match spec.step:
        case WindowStep() as step:
            return {*step.on, *_window_columns(plan, step)}
        case StateStep(view, on, column):
            return _state_columns(plan, plan.state_views[view], on, column)
        case CalendarStep(column):
            return {column} - {plan.at.column}
        case ExpressionStep(expression):
            return _row_columns(plan, [expression])
        case EncoderStep(encoder):
            return _row_columns(plan, plan.encoders[encoder].of)


def _window_columns(plan: FeaturePlan, step: WindowStep) -> set[str]:
    view = plan.event_views[step.view]
    says_when = view.available_at is not None or view.delay_us > 0
    if view.table != plan.spine or (says_when and not step.span.include_current):
        return set()
    values = [*step.columns, *([step.where] if step.where is not None else [])]
    return {*step.by, *(leaf.name for value in values for leaf in leaves(value) if isinstance(leaf, Column))}


def _state_columns(plan: FeaturePlan, view: StateView, on: Iterable[str], column: str) -> set[str]:
    says_when = view.valid_from is not None
    return {*on} if view.table != plan.spine or says_when else {*on, *view.keys, column}


def _row_columns(plan: FeaturePlan, expressions: Iterable[Expression]) -> set[str]:
    found = set[str]()
    for leaf in (leaf for expression in expressions for leaf in leaves(expression)):
        if isinstance(leaf, Column) and leaf.name != plan.at.column:
            found.add(leaf.name)
        elif isinstance(leaf, StateColumn):
            found |= _state_columns(plan, leaf.view, leaf.on, leaf.column)
    return found


def _advice(spec: FeatureSpec) -> str:
    if not isinstance(spec.step, WindowStep):
        return "leave it out, or read it from past events in a window"
    if spec.step.span.include_current:
        return "leave out include_current=True"
    return "declare when events become known: available_at= or delay="
