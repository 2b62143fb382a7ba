"""The plan's form of tables: names and numbers, no sources and no code."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class EventView:
    """A stored table read as events.

    Attributes:
        name: the view's name, unique in a plan.
        table: the stored table it reads.
        event_time: timestamp column.
        available_at: timestamp column, or None when an event is known right after it happened.
        delay_us: added to the time an event is known.
        sequence: column that orders events of equal time and availability, or None; then the table's order does.
    """

    name: str
    table: str
    event_time: str
    available_at: str | None
    delay_us: int
    sequence: str | None = None


@dataclass(frozen=True)
class StateView:
    """A stored table read as states of entities.

    Attributes:
        name: the view's name, unique in a plan.
        table: the stored table it reads.
        keys: columns that name the entity.
        valid_from: timestamp column, or None for a static lookup.
        delay_us: added to the time a row is known.
    """

    name: str
    table: str
    keys: tuple[str, ...]
    valid_from: str | None
    delay_us: int
