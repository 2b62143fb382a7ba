"""What a user declares: windows over events, as-of columns, lookups, columns of the request, and the set of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from headrace.core.errors import DefinitionError, did_you_mean
from headrace.features.aggregates import Aggregate
from headrace.features.calendar_features import CalendarFeatures
from headrace.features.durations import TimeOffset, parse_duration_us, parse_offset
from headrace.features.expressions import Column, NamedExpression
from headrace.features.locations import caller_location, located_hint
from headrace.features.tables import EventTable, StateTable


@dataclass(frozen=True)
class WindowFeatures:
    """Statistics of events of one entity over several windows; made by `windows`."""

    events: EventTable
    by: tuple[str, ...]
    on: tuple[str, ...]
    over: tuple[str, ...]
    values: tuple[tuple[str | None, tuple[Aggregate, ...]], ...]
    prefix: str
    location: str = field(default_factory=caller_location, repr=False, compare=False)


@dataclass(frozen=True)
class StateFeatures:
    """Columns of a state table as of the query time; made by `as_of` and `lookup`."""

    state: StateTable
    columns: tuple[str, ...]
    on: tuple[str, ...]
    tolerance_us: int | None
    prefix: str
    location: str = field(default_factory=caller_location, repr=False, compare=False)


Feature: TypeAlias = WindowFeatures | StateFeatures | CalendarFeatures | NamedExpression | Column


def windows(  # the parts of one sentence, all but one by keyword
    events: EventTable,
    *,
    by: str | Sequence[str],
    over: str | Sequence[str],
    values: Mapping[str | None, Sequence[Aggregate]],
    on: str | Sequence[str] | None = None,
    prefix: str | None = None,
) -> WindowFeatures:
    """Statistics of the events visible at q with an event time in [q - width, q).

    Features are named `<by>_<column>_<statistic>_<width>`, e.g. `origin_arr_delay_mean_3h`, and `<by>_count_3h`.

    Args:
        events: where events come from.
        by: the events' key columns that name the entity.
        over: window widths, e.g. `["1h", "7d"]`.
        values: statistics by value column; the key None holds statistics that read no column (`Count`).
        on: the spine's columns that name the entity, where they have other names than `by`.
        prefix: replaces `<by>` in the names.

    Raises:
        DefinitionError: a key the table does not declare, a duration or statistic that is not one.
    """
    by_columns = _as_names(by)
    on_columns = _as_names(on) if on is not None else by_columns
    location = caller_location()
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
    widths = tuple(width.strip() for width in _as_names(over))
    if not widths or not all(parse_duration_us(width) for width in widths) or not values:
        raise DefinitionError("windows need at least one width longer than zero and one statistic", hint=location)
    checked = tuple((column, _checked_aggregates(column, values[column], location)) for column in values)
    return WindowFeatures(events, by_columns, on_columns, widths, checked, prefix or "_".join(on_columns), location)


def as_of(
    state: StateTable,
    columns: str | Sequence[str],
    *,
    tolerance: str | None = None,
    on: str | Sequence[str] | None = None,
    prefix: str | None = None,
) -> StateFeatures:
    """A state table's columns in the last row known at q: features `<state>_<column>`.

    Args:
        state: a table with `valid_from`.
        columns: numeric columns.
        tolerance: oldest row that still counts (inclusive); older gives null.
        on: the spine's key columns, where they have other names than the state's.
        prefix: replaces `<state>` in the names.

    Raises:
        DefinitionError: the table is a static lookup, or the tolerance is no duration.
    """
    if state.valid_from is None:
        raise DefinitionError(
            f"as_of('{state.name}'): the table has no valid_from", hint="use lookup() for a table without time"
        )
    return _state_features(state, columns, tolerance=tolerance, on=on, prefix=prefix)


def lookup(
    state: StateTable, columns: str | Sequence[str], *, on: str | Sequence[str] | None = None, prefix: str | None = None
) -> StateFeatures:
    """A static table's columns for the row's entity: features `<state>_<column>`.

    Raises:
        DefinitionError: the table has a `valid_from`.
    """
    if state.valid_from is not None:
        raise DefinitionError(
            f"lookup('{state.name}'): its rows hold from '{state.valid_from}' on",
            hint="use as_of() for a table with time",
        )
    return _state_features(state, columns, tolerance=None, on=on, prefix=prefix)


def request(name: str) -> Column:
    """A numeric column of the row itself, known when the question is asked: the feature `<name>`."""
    return Column(name)


@dataclass(frozen=True)
class FeatureSet:
    """Features of each row of a spine, at that row's query time.

    Attributes:
        name: the set's name.
        spine: the table whose rows ask.
        at: query time: a timestamp column of the spine, optionally plus or minus a duration.
        features: what `windows`, `as_of`, `lookup`, `calendar`, `cyclic`, `request` and `.named()` return.
        row_id: column that names a row for joining answers back.

    Raises:
        DefinitionError: `at` is not a query time, or an entry is not a feature.
    """

    name: str
    spine: EventTable
    at: str
    features: Sequence[Feature]
    row_id: str | None = None
    location: str = field(default_factory=caller_location, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "features", tuple(self.features))
        if not self.features:
            raise DefinitionError(f"feature set '{self.name}' holds no features", hint=self.location)
        for entry in self.features:
            if not isinstance(entry, WindowFeatures | StateFeatures | CalendarFeatures | NamedExpression | Column):
                raise DefinitionError(
                    f"feature set '{self.name}' holds {entry!r}, which is no feature",
                    hint=located_hint(self.location, "give an expression a name with .named('...')"),
                )
        parse_offset(self.at)

    @property
    def query_time(self) -> TimeOffset:
        """The query time as a column and an offset."""
        return parse_offset(self.at)


def _state_features(
    state: StateTable,
    columns: str | Sequence[str],
    *,
    tolerance: str | None,
    on: str | Sequence[str] | None,
    prefix: str | None,
) -> StateFeatures:
    on_columns = _as_names(on) if on is not None else tuple(state.keys)
    location = caller_location()
    if len(on_columns) != len(state.keys):
        raise DefinitionError(
            f"'{state.name}' has the keys {list(state.keys)}; on={list(on_columns)} must name as many", hint=location
        )
    tolerance_us = parse_duration_us(tolerance) if tolerance is not None else None
    return StateFeatures(state, _as_names(columns), on_columns, tolerance_us, prefix or state.name, location)


def _as_names(names: str | Sequence[str]) -> tuple[str, ...]:
    return (names,) if isinstance(names, str) else tuple(names)


def _checked_aggregates(column: str | None, aggregates: Sequence[Aggregate], location: str) -> tuple[Aggregate, ...]:
    for aggregate in aggregates:
        if not isinstance(aggregate, Aggregate):
            raise DefinitionError(
                f"{aggregate!r} is no window statistic", hint=located_hint(location, "for example hr.Mean()")
            )
        if column is None and aggregate.needs_column:
            raise DefinitionError(
                f"{type(aggregate).__name__} needs a value column",
                hint=located_hint(location, "put it under its column"),
            )
    return tuple(aggregates)
