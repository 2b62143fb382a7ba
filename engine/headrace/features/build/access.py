"""Which rows of which table a feature needs beside the spine row: the events and states of the same keys."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from headrace.features.definition.expressions import Expression, StateColumn, leaves
from headrace.features.plan import CalendarStep, EncoderStep, ExpressionStep, FeaturePlan, StateStep, Step, WindowStep
from headrace.features.planning.reads import required


@dataclass(frozen=True)
class Access:
    """A spine row reads the rows of a table whose `by` columns equal its `on` columns, and no others.

    Attributes:
        table: the stored table.
        by: its key columns; none for all rows.
        on: the spine's key columns, as many.
    """

    table: str
    by: tuple[str, ...]
    on: tuple[str, ...]


def accesses(plan: FeaturePlan, feature: str) -> frozenset[Access]:
    """Everything one feature reads by key, the features behind it included.

    A feature computed from exactly these rows of the tables has the same bits as from the whole tables.
    """
    specs = {spec.name: spec for spec in (*plan.intermediates, *plan.features)}
    return frozenset(access for name in required(plan, [feature]) for access in _of_step(plan, specs[name].step))


def _of_step(plan: FeaturePlan, step: Step) -> Iterator[Access]:
    match step:
        case WindowStep():
            yield Access(plan.event_views[step.view].table, step.by, step.on)
        case StateStep():
            view = plan.state_views[step.view]
            yield Access(view.table, view.keys, step.on)
        case ExpressionStep():
            yield from _of_expression(step.expression)
        case EncoderStep():
            for expression in plan.encoders[step.encoder].of:
                yield from _of_expression(expression)
        case CalendarStep():
            pass


def _of_expression(expression: Expression) -> Iterator[Access]:
    for leaf in leaves(expression):
        if isinstance(leaf, StateColumn):
            yield Access(leaf.view.table, leaf.view.keys, leaf.on)
