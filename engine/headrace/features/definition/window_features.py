"""What a user declares about windows: whose events, which of them, over what extents, and what is made of them."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from headrace.core.errors import DefinitionError, did_you_mean
from headrace.features.definition.expressions import Binary, Column, Expression, Literal, NamedExpression, Scalar
from headrace.features.definition.locations import caller_location, located_hint
from headrace.features.definition.spans import CLOSED, Closed, WindowSpan, parse_span
from headrace.features.definition.tables import EventTable
from headrace.features.definition.window_statistics import Aggregate

Value: TypeAlias = "str | Column | NamedExpression"
Over: TypeAlias = "str | WindowSpan"

_ARITY_WORDS = {0: "no column: put it under None", 1: "one column", 2: 'two columns: put it under ("x", "y")'}


@dataclass(frozen=True)
class LabelledSpan:
    """An extent and its part of a feature name: as the user wrote it, `24h` and not `1d`."""

    span: WindowSpan
    label: str


@dataclass(frozen=True, eq=False)
class WindowValue:
    """What some statistics read: nothing, one value or a pair, over the event row.

    Attributes:
        label: its part of a feature name, or "".
        names: what resolutions call the columns.
        columns: in the kernels' order; of a pair ("x", "y"): y, x.
    """

    label: str
    names: tuple[str, ...]
    columns: tuple[Expression, ...]


@dataclass(frozen=True, eq=False)
class WindowFeatures:
    """Statistics of events of one entity over several extents; made by `windows`.

    Attributes:
        conditions: each with its part of the feature name; one without a condition where nothing is asked.
    """

    events: EventTable
    by: tuple[str, ...]
    on: tuple[str, ...]
    over: tuple[LabelledSpan, ...]
    values: tuple[tuple[WindowValue, tuple[Aggregate, ...]], ...]
    conditions: tuple[tuple[str, Expression | None], ...]
    prefix: str
    location: str = field(default_factory=caller_location, repr=False)


def windows(  # noqa: PLR0913  # the parts of one sentence, all but its subject by keyword
    events: EventTable,
    *,
    by: str | Sequence[str],
    over: Over | Sequence[Over],
    values: Mapping[Value | tuple[Value, Value] | None, Sequence[Aggregate]],
    where: Expression | None = None,
    per: Mapping[str, Sequence[Scalar]] | None = None,
    closed: Closed = "left",
    include_current: bool = False,
    on: str | Sequence[str] | None = None,
    prefix: str | None = None,
) -> WindowFeatures:
    """Statistics of the events of one entity that are visible at q and inside a window.

    Features are named `<by>_<column>_<statistic>_<width>`, e.g. `origin_arr_delay_mean_3h`, and `<by>_count_3h`.

    Args:
        events: where events come from.
        by: the events' key columns that name the entity; `[]` for all events of the table, named `all_...`.
        over: extents: fixed durations such as `"7d"`, which hold [q - width, q), or `last(10)`, `session("30m")`,
            `expanding()`, `calendar_window("1mo", tz=...)`, `to_date("month", tz=...)`.
        values: statistics by value: a column's name, a named expression over the event row, a pair `("x", "y")`; the
            key None holds statistics that read no column.
        where: condition over the event row that comes first: the last five are the last five that satisfy it. Null is
            no.
        per: values of a column, each of which gets features of its own, named `<by>_<column>_<value>_...`: as `where`
            with that value.
        closed: bounds of durations and calendar windows, named as Polars does; others than `left` see events at
            exactly q, or leave out those at exactly q - width.
        include_current: whether the row that asks is one more event, by identity and as the newest, known or not;
            `last(10)` then holds eleven. Its own values are used: only columns known at q belong here.
        on: the spine's columns that name the entity, where they have other names than `by`.
        prefix: replaces `<by>` in the names.

    Raises:
        DefinitionError: the table has no time, a key it does not declare, an extent, condition or statistic that is not
            one, or bounds that the extent does not have.
    """
    location = caller_location()
    _check_events(events, location)
    by_columns = as_names(by)
    on_columns = as_names(on) if on is not None else by_columns
    for name in by_columns:
        if name not in events.keys:
            known = ", ".join(events.keys)
            raise DefinitionError(
                f"windows by '{name}': event table '{events.name}' declares the keys {known}",
                hint=located_hint(location, did_you_mean(name, events.keys)),
            )
    if len(on_columns) != len(by_columns):
        raise DefinitionError(
            f"windows by {list(by_columns)} on {list(on_columns)}: as many columns on both sides", hint=location
        )
    extents = over if isinstance(over, Sequence) and not isinstance(over, str) else [over]
    spans = tuple(_span(extent, closed, include_current, location) for extent in extents)
    if not spans or not values:
        raise DefinitionError("windows need at least one width longer than zero and one statistic", hint=location)
    checked = tuple((_value(key, location), _checked(key, values[key], location)) for key in values)
    conditions = _conditions(where, per, location)
    prefix = prefix or "_".join(on_columns) or "all"
    return WindowFeatures(events, by_columns, on_columns, spans, checked, conditions, prefix, location)


def as_names(names: str | Sequence[str]) -> tuple[str, ...]:
    """One name or several, as a tuple."""
    return (names,) if isinstance(names, str) else tuple(names)


def _check_events(events: object, location: str) -> None:
    if not isinstance(events, EventTable):
        name = getattr(events, "name", repr(events))
        raise DefinitionError(
            f"windows over '{name}': it is no event table, so its rows have no time",
            hint=located_hint(location, "declare an EventTable with an event_time, or use as_of() or lookup()"),
        )


def _span(extent: Over, closed: Closed, include_current: bool, location: str) -> LabelledSpan:  # noqa: FBT001
    if closed not in CLOSED:
        raise DefinitionError(
            f"closed='{closed}'; allowed: {', '.join(CLOSED)}",
            hint=located_hint(location, did_you_mean(closed, CLOSED)),
        )
    if not isinstance(extent, str | WindowSpan):
        raise DefinitionError(
            f"{extent!r} is no extent of a window",
            hint=located_hint(location, "for example '7d', hr.last(10), hr.session('30m'), hr.expanding()"),
        )
    span = parse_span(extent) if isinstance(extent, str) else extent
    label = extent.strip() if isinstance(extent, str) else span.label
    if closed != "left" and span.kind not in {"duration", "calendar"}:
        raise DefinitionError(
            f"closed='{closed}' on a window '{label}': only durations and calendar windows have bounds", hint=location
        )
    if include_current and closed in {"right", "both"}:
        raise DefinitionError(
            f"include_current=True with closed='{closed}': events at exactly q, the row itself among them, are inside "
            "already",
            hint=located_hint(location, "use one of the two"),
        )
    return LabelledSpan(replace(span, closed=closed, include_current=include_current), label)


def _value(key: Value | tuple[Value, Value] | None, location: str) -> WindowValue:
    if key is None:
        return WindowValue("", (), ())
    if isinstance(key, tuple):
        if len(key) != 2:
            raise DefinitionError(f"{key!r} is no pair of columns", hint=located_hint(location, 'write ("x", "y")'))
        (x_name, x), (y_name, y) = (_named(part, location) for part in key)
        return WindowValue(f"{x_name}_{y_name}", (y_name, x_name), (y, x))
    name, expression = _named(key, location)
    return WindowValue(name, (name,), (expression,))


def _named(key: Value, location: str) -> tuple[str, Expression]:
    match key:
        case str():
            return key, Column(key)
        case Column(name):
            return name, key
        case NamedExpression(name, expression):
            return name, expression
    raise DefinitionError(
        f"'{key}' names no value of a window",
        hint=located_hint(location, "write a column's name, or an expression with .named('...')"),
    )


def _checked(key: object, aggregates: Sequence[Aggregate], location: str) -> tuple[Aggregate, ...]:
    given = 0 if key is None else len(key) if isinstance(key, tuple) else 1
    for aggregate in aggregates:
        if not isinstance(aggregate, Aggregate):
            raise DefinitionError(
                f"{aggregate!r} is no window statistic", hint=located_hint(location, "for example hr.Mean()")
            )
        if given not in aggregate.arity:
            wanted = _ARITY_WORDS[aggregate.arity[-1]]
            needs = "needs a value column" if given == 0 and aggregate.arity == (1,) else f"reads {wanted}"
            raise DefinitionError(
                f"{type(aggregate).__name__} {needs}", hint=located_hint(location, "put it under its column")
            )
    return tuple(aggregates)


def _conditions(
    where: Expression | None, per: Mapping[str, Sequence[Scalar]] | None, location: str
) -> tuple[tuple[str, Expression | None], ...]:
    if where is not None and not isinstance(where, Expression):
        raise DefinitionError(
            f"where={where!r} is no condition",
            hint=located_hint(location, "write one over the event row, such as hr.column('status') == 'failed'"),
        )
    if per is None:
        return (("", where),)
    conditions: list[tuple[str, Expression | None]] = []
    for name, categories in per.items():
        if isinstance(categories, str) or not len(categories):
            raise DefinitionError(
                f"per={{'{name}': {categories!r}}}: write a list of values", hint=located_hint(location, None)
            )
        for category in categories:
            if not isinstance(category, bool | int | str):
                raise DefinitionError(f"per '{name}': {category!r} names no category", hint=location)
            condition: Expression = Binary("eq", Column(name), Literal(category))
            if where is not None:
                condition = Binary("and", where, condition)
            conditions.append((f"{name}_{_slug(category)}", condition))
    return tuple(conditions)


def _slug(value: Scalar) -> str:
    """A value's part of a feature name: letters, digits and underscores."""
    if isinstance(value, int) and not isinstance(value, bool):
        return f"minus_{-value}" if value < 0 else str(value)
    assert not isinstance(value, float) or math.isfinite(value)
    return re.sub(r"\W", "_", str(value).lower()) or "empty"
