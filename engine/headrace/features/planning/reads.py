"""What a step reads: columns of tables, views, encoders and other features. Pruning and outlines rest on it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from headrace.features.definition.expressions import Column, Expression, FeatureColumn, StateColumn, leaves
from headrace.features.plan import (
    CalendarStep,
    EncoderStep,
    ExpressionStep,
    FeaturePlan,
    StateStep,
    Step,
    WindowStep,
)
from headrace.features.views import StateView


@dataclass
class Reads:
    """What some steps read; filled by `add`.

    Attributes:
        columns: pairs of a stored table and a column.
        event_views: names.
        state_views: names.
        encoders: names.
        features: names of features and intermediates.
    """

    columns: set[tuple[str, str]] = field(default_factory=set)
    event_views: set[str] = field(default_factory=set)
    state_views: set[str] = field(default_factory=set)
    encoders: set[str] = field(default_factory=set)
    features: set[str] = field(default_factory=set)

    def add(self, plan: FeaturePlan, step: Step) -> None:
        """Add what one step of a plan reads."""
        match step:
            case WindowStep():
                self._window(plan, step)
            case StateStep():
                self._state(plan, plan.state_views[step.view], step.on, step.column)
            case CalendarStep():
                self.columns.add((plan.spine, step.column))
            case ExpressionStep():
                self._expression(plan, step.expression)
            case EncoderStep():
                self.encoders.add(step.encoder)
                for expression in plan.encoders[step.encoder].of:
                    self._expression(plan, expression)

    def _window(self, plan: FeaturePlan, step: WindowStep) -> None:
        view = plan.event_views[step.view]
        self.event_views.add(view.name)
        named = [view.event_time, view.available_at, view.sequence, *step.by]
        values = [*step.columns, *([step.where] if step.where is not None else [])]
        named += [leaf.name for value in values for leaf in leaves(value) if isinstance(leaf, Column)]
        self._columns(view.table, named)
        self._columns(plan.spine, step.on)

    def _state(self, plan: FeaturePlan, view: StateView, on: Iterable[str], column: str) -> None:
        self.state_views.add(view.name)
        self._columns(view.table, [*view.keys, view.valid_from, column])
        self._columns(plan.spine, on)

    def _expression(self, plan: FeaturePlan, expression: Expression) -> None:
        for leaf in leaves(expression):
            if isinstance(leaf, Column):
                self.columns.add((plan.spine, leaf.name))
            elif isinstance(leaf, StateColumn):
                self._state(plan, leaf.view, leaf.on, leaf.column)
            elif isinstance(leaf, FeatureColumn):
                self.features.add(leaf.name)

    def _columns(self, table: str, names: Iterable[str | None]) -> None:
        self.columns.update((table, name) for name in names if name is not None)


def reads(plan: FeaturePlan, steps: Iterable[Step]) -> Reads:
    """What steps of a plan read, themselves and not what they refer to: O(size of the steps)."""
    found = Reads()
    for step in steps:
        found.add(plan, step)
    return found


def required(plan: FeaturePlan, names: Iterable[str]) -> list[str]:
    """Features and intermediates behind some, themselves included, in the plan's order (intermediates first)."""
    specs = {spec.name: spec for spec in (*plan.intermediates, *plan.features)}
    wanted, waiting = set[str](), list(names)
    while waiting:
        name = waiting.pop()
        if name not in wanted:
            wanted.add(name)
            waiting += reads(plan, [specs[name].step]).features
    return [name for name in specs if name in wanted]
