"""Compile window features: one step for each value, statistic and extent."""

from __future__ import annotations

from collections.abc import Iterator

from headrace.features.definition.durations import format_duration
from headrace.features.definition.expressions import Column, Expression, Literal
from headrace.features.definition.spans import WindowSpan
from headrace.features.definition.window_features import LabelledSpan, WindowFeatures, WindowValue
from headrace.features.definition.window_statistics import Aggregate, Rate
from headrace.features.plan import ExpressionStep, FeatureSpec, WindowStep
from headrace.features.planning.draft import Draft
from headrace.features.views import EventView

_READABLE = {
    "numbers": {"int64", "float64", "bool"},
    "categories": {"int64", "bool", "string"},
    "numeric_categories": {"int64", "bool"},
}


def plan_windows(draft: Draft, entry: WindowFeatures) -> Iterator[FeatureSpec]:
    """The features of a `windows(...)`.

    Raises:
        DefinitionError: a column is missing or has another type, a condition is none, or the current row cannot be an
            event of the table.
    """
    view = draft.event_view(entry.events)
    for by, on in zip(entry.by, entry.on, strict=True):
        draft.same_key_kind(view.table, by, on)
    for extent in entry.over:
        if extent.span.include_current:
            _check_current(draft, entry, view)
    for label, condition in entry.conditions:
        if condition is not None:
            _check_condition(draft, view, condition)
        for value, aggregates in entry.values:
            dtypes = [_value_dtype(draft, view, column) for column in value.columns]
            for aggregate in aggregates:
                _check_dtypes(draft, view, value, aggregate, dtypes)
                for extent in entry.over:
                    parts = [entry.prefix, label, value.label, aggregate.label, extent.label]
                    name = "_".join(part for part in parts if part)
                    step = window_step(entry, condition, value, aggregate, extent.span, dtypes)
                    text = _description(entry, condition, value, aggregate, extent)
                    yield _spec(draft, name, text, aggregate, step)


def _spec(draft: Draft, name: str, text: str, aggregate: Aggregate, step: WindowStep) -> FeatureSpec:
    if not isinstance(aggregate, Rate):
        return FeatureSpec(name, "window", "float32", text, step)
    if step.span.kind != "duration":
        raise draft.error(f"'{name}': a rate needs a window of fixed duration, not '{step.span.label}'")
    assert step.span.width_us is not None
    count = draft.intermediate(f"{name}.count", "window", text, step)
    rate = count * Literal(aggregate.unit_us / step.span.width_us)
    return FeatureSpec(name, "window", "float32", text, ExpressionStep(rate))


def window_step(
    entry: WindowFeatures,
    condition: Expression | None,
    value: WindowValue,
    aggregate: Aggregate,
    span: WindowSpan,
    dtypes: list[str],
) -> WindowStep:
    """One statistic of one value over one extent, as a step.

    Args:
        entry: events and keys.
        condition: which events count.
        value: what is read.
        aggregate: what is made of it.
        span: the extent.
        dtypes: types of the value's columns.
    """
    bits = [
        entry.events.resolution_bits(name) if dtype == "float64" else 0
        for name, dtype in zip(value.names, dtypes, strict=True)
    ]
    return WindowStep(
        view=entry.events.name,
        by=entry.by,
        on=entry.on,
        where=condition,
        span=span,
        columns=value.columns,
        statistic="count" if isinstance(aggregate, Rate) else aggregate.statistic,
        parameter=aggregate.parameter,
        skip_nan=aggregate.skip_nan,
        empty=aggregate.empty_value,
        resolution_bits=tuple(bits),
    )


def _check_current(draft: Draft, entry: WindowFeatures, view: EventView) -> None:
    """The row itself must be an event of this view, at q: only then is it one more event and never seen twice."""
    if view.table != draft.spine or entry.by != entry.on:
        raise draft.error(
            f"include_current=True: the rows that ask are rows of '{draft.spine}' by {list(entry.on)}, the events of "
            f"'{view.name}' rows of '{view.table}' by {list(entry.by)}",
            "the row itself can only be an event of its own table and key",
        )
    if draft.at.column != view.event_time or draft.at.offset_us != 0:
        raise draft.error(
            f"include_current=True: the query time is {draft.at}, the row itself happens at {view.event_time}",
            f"ask at='{view.event_time}'; before that the row is not known, after it it may be seen anyway",
        )


def _check_condition(draft: Draft, view: EventView, condition: Expression) -> None:
    dtype = draft.event_dtype(condition, view, f"where= over '{view.name}'")
    if dtype != "bool":
        raise draft.error(f"where={condition} over '{view.name}' is a {dtype}, not a condition")


def _value_dtype(draft: Draft, view: EventView, column: Expression) -> str:
    return draft.event_dtype(column, view, f"windows over '{view.name}'")


def _check_dtypes(draft: Draft, view: EventView, value: WindowValue, aggregate: Aggregate, dtypes: list[str]) -> None:
    allowed = _READABLE[aggregate.reads]
    for name, column, dtype in zip(value.names, value.columns, dtypes, strict=True):
        if dtype not in allowed:
            what = f"column '{name}' of '{view.table}'" if isinstance(column, Column) else f"'{name}'"
            raise draft.error(
                f"windows over '{view.name}': {type(aggregate).__name__} reads {what}, a {dtype}; "
                f"allowed: {', '.join(sorted(allowed))}"
            )


def _description(
    entry: WindowFeatures,
    condition: Expression | None,
    value: WindowValue,
    aggregate: Aggregate,
    extent: LabelledSpan,
) -> str:
    what = {0: "number", 1: f"{aggregate.label} of {value.label}"}.get(len(value.columns))
    if len(value.columns) == 2:
        y, x = value.names
        what = f"{aggregate.label} of {y} on {x}"
    if not value.columns and aggregate.kind != "count":
        what = f"{aggregate.label} of events"
    who = f" with the same {' and '.join(entry.on)}" if entry.on else ""
    which = f" where {condition}" if condition is not None else ""
    current = ", the row itself included" if extent.span.include_current else ""
    return f"{what} {_extent_words(extent.span, extent.label)} of {entry.events.name}{who}{which}{current}"


def _extent_words(span: WindowSpan, label: str) -> str:
    match span.kind:
        case "duration":
            bounds = "" if span.closed == "left" else f" (closed: {span.closed})"
            return f"over the last {label}{bounds}"
        case "calendar":
            count, unit = (span.months, "month") if span.months else (span.days, "day")
            return f"over the last {count} {unit}{'s' if count > 1 else ''} on the calendar of {span.tz}"
        case "to_date":
            return f"since the {span.field} began in {span.tz}"
        case "count":
            return f"over the last {span.events}"
        case "session":
            assert span.width_us is not None
            return f"over the session still open (pauses up to {format_duration(span.width_us)})"
        case "expanding":
            return "over all so far"
