"""Tables as features see them: events that happen, and states that hold from a time on."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from headrace.core.errors import DefinitionError, did_you_mean
from headrace.features.definition.durations import parse_duration_us
from headrace.features.definition.expressions import StateColumn
from headrace.features.definition.locations import caller_location
from headrace.features.views import EventView, StateView

DEFAULT_RESOLUTION = 2.0**-24


@dataclass(frozen=True)
class TableReference:
    """Names a stored table that another definition brings in."""

    name: str


def table(name: str) -> TableReference:
    """Refer to a stored table by name, as the source of a second view of it."""
    return TableReference(name)


@dataclass(frozen=True)
class EventTable:
    """Events with a time, by entity.

    Several views of one stored table are several `EventTable`s with the same `table`: departures and landings of the
    same flights, say.

    Attributes:
        name: the view's name.
        source: where the rows come from: a `CsvSource`, or `table("flights")` for a view of a stored table.
        keys: columns that name the entities events belong to.
        event_time: timestamp column, when it happened; a row without it happened never.
        available_at: timestamp column, when it became known; a row without it is not known yet. Where no column is
            declared, an event is known right after it happened.
        delay: how much later than `available_at` (or `event_time`) the source delivers.
        sequence: whole-number column that orders events of equal `event_time` and `available_at`; without one, and
            among equal numbers, the table's order does.
        table: name of the stored table; the view's own name unless the source is a reference.
        resolution: smallest step of a float column that sums tell apart, a power of two, by column or for all
            (default 2**-24). Values are rounded to it once; integer columns are exact.

    Raises:
        DefinitionError: a name is empty or twice there, a duration or resolution is not one.
    """

    name: str
    source: Any = None
    keys: Sequence[str] = ()
    event_time: str = ""
    available_at: str | None = None
    delay: str = "0s"
    table: str = ""
    resolution: float | Mapping[str, float] = DEFAULT_RESOLUTION
    sequence: str | None = None
    location: str = field(default_factory=caller_location, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "keys", _checked_keys(self.name, self.keys))
        object.__setattr__(self, "table", _stored_table(self.name, self.table, self.source))
        if not self.event_time:
            raise DefinitionError(f"event table '{self.name}' declares no event_time", hint=self.location)
        parse_duration_us(self.delay)
        steps = self.resolution.values() if isinstance(self.resolution, Mapping) else [self.resolution]
        for step in steps:
            _resolution_bits(self.name, step)

    @property
    def view(self) -> EventView:
        """The plan's form of this table: names and numbers only."""
        delay_us = parse_duration_us(self.delay)
        return EventView(self.name, self.table, self.event_time, self.available_at, delay_us, self.sequence)

    def resolution_bits(self, column: str) -> int:
        """Binary digits kept after the point when a float column is summed."""
        if isinstance(self.resolution, Mapping):
            return _resolution_bits(self.name, self.resolution.get(column, DEFAULT_RESOLUTION))
        return _resolution_bits(self.name, self.resolution)


@dataclass(frozen=True)
class StateTable:
    """Rows that describe an entity, from `valid_from` on until the next row; without `valid_from`, for ever.

    `planes["seats"]` names a column inside an expression.

    Attributes:
        name: the view's name.
        source: where the rows come from, as in `EventTable`.
        keys: columns that name the entity.
        valid_from: timestamp column from which a row holds; None for a static lookup (one row an entity; of several,
            the last in the table wins).
        delay: how much later than `valid_from` a row is known.
        table: name of the stored table.

    Raises:
        DefinitionError: a name is empty or twice there, a duration is not one.
    """

    name: str
    source: Any = None
    keys: Sequence[str] = ()
    valid_from: str | None = None
    delay: str = "0s"
    table: str = ""
    location: str = field(default_factory=caller_location, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "keys", _checked_keys(self.name, self.keys))
        object.__setattr__(self, "table", _stored_table(self.name, self.table, self.source))
        parse_duration_us(self.delay)

    @property
    def view(self) -> StateView:
        """The plan's form of this table: names and numbers only."""
        return StateView(self.name, self.table, tuple(self.keys), self.valid_from, parse_duration_us(self.delay))

    def __getitem__(self, column: str) -> StateColumn:
        """The column's value for a spine row's entity, as of its query time, for use in an expression."""
        return StateColumn(self.view, column, tuple(self.keys), None, self)


def _checked_keys(name: str, keys: Sequence[str]) -> tuple[str, ...]:
    if not name.isidentifier():
        raise DefinitionError(f"table name '{name}' must be letters, digits and underscores, not starting with a digit")
    if isinstance(keys, str):
        raise DefinitionError(f"table '{name}': keys is the string '{keys}'", hint=f"write keys=['{keys}']")
    if not keys or len(set(keys)) != len(keys):
        raise DefinitionError(f"table '{name}': keys must name at least one column, each once; got {list(keys)}")
    return tuple(keys)


def _stored_table(name: str, stored: str, source: Any) -> str:
    referenced = source.name if isinstance(source, TableReference) else ""
    if stored and referenced and stored != referenced:
        hint = did_you_mean(stored, [referenced])
        raise DefinitionError(f"table '{name}': table='{stored}' contradicts source=table('{referenced}')", hint=hint)
    return stored or referenced or name


def _resolution_bits(name: str, step: float) -> int:
    mantissa, exponent = math.frexp(step) if isinstance(step, int | float) and math.isfinite(step) else (0.0, 0)
    bits = 1 - exponent
    if mantissa != 0.5 or not -60 <= bits <= 60:
        raise DefinitionError(
            f"table '{name}': resolution {step!r} is not a power of two from 2**-60 to 2**60",
            hint="2**-24 keeps seven decimal places, 2**-7 is finer than a cent, 1 is whole numbers",
        )
    return bits
