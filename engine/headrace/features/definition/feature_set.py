"""What a user declares beside windows: as-of columns, lookups, columns of the request, and the set of features."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from headrace.core.errors import DefinitionError
from headrace.features.definition.calendar_features import CalendarFeatures
from headrace.features.definition.durations import TimeOffset, parse_duration_us, parse_offset
from headrace.features.definition.encoders import EncoderFeature
from headrace.features.definition.expressions import Column, NamedExpression, QueryTime, StateColumn
from headrace.features.definition.locations import caller_location, located_hint
from headrace.features.definition.tables import EventTable, StateTable
from headrace.features.definition.target_encodings import TimeAwareEncoding
from headrace.features.definition.window_features import WindowFeatures, as_names


@dataclass(frozen=True)
class StateFeatures:
    """Columns of a state table as of the query time; made by `as_of` and `lookup`."""

    state: StateTable
    columns: tuple[str, ...]
    on: tuple[str, ...]
    tolerance_us: int | None
    prefix: str
    location: str = field(default_factory=caller_location, repr=False, compare=False)


Feature: TypeAlias = (
    WindowFeatures | StateFeatures | CalendarFeatures | TimeAwareEncoding | EncoderFeature | NamedExpression | Column
)


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


def as_of_age(
    state: StateTable, *, on: str | Sequence[str] | None = None, prefix: str | None = None
) -> NamedExpression:
    """Hours from the `valid_from` of the last row known at q to q: the feature `<state>_age_hours`.

    Raises:
        DefinitionError: the table is a static lookup.
    """
    if state.valid_from is None:
        raise DefinitionError(f"as_of_age('{state.name}'): the table has no valid_from")
    found = _state_features(state, state.valid_from, tolerance=None, on=on, prefix=prefix)
    since = StateColumn(state.view, state.valid_from, found.on, None, state)
    age = QueryTime().hours_since_epoch() - since.hours_since_epoch()
    return NamedExpression(f"{found.prefix}_age_hours", age)


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
        features: what `windows`, `as_of`, `lookup`, `calendar`, `cyclic`, `request`, `target_encoding`,
            `frequency_encoding`, the encoders and `.named()` return.
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
            if not isinstance(entry, Feature):
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
    on_columns = as_names(on) if on is not None else tuple(state.keys)
    location = caller_location()
    if len(on_columns) != len(state.keys):
        raise DefinitionError(
            f"'{state.name}' has the keys {list(state.keys)}; on={list(on_columns)} must name as many", hint=location
        )
    tolerance_us = parse_duration_us(tolerance) if tolerance is not None else None
    return StateFeatures(state, as_names(columns), on_columns, tolerance_us, prefix or state.name, location)
