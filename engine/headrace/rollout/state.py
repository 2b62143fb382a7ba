"""Release states, events and the one table of legal transitions; folding events into a state is pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum
from typing import Any

from headrace.core.errors import InvalidInputError
from headrace.core.hashing import BUCKETS


class Strategy(Enum):
    """How a candidate meets traffic."""

    CANARY = "canary"
    SHADOW = "shadow"
    AB = "ab"
    BLUE_GREEN = "blue_green"


class ReleaseStatus(Enum):
    """Where a model's release stands."""

    UNRELEASED = "unreleased"  # no champion: nothing to route to
    STEADY = "steady"  # the champion takes all traffic
    ROLLING = "rolling"  # a candidate takes `share` of it
    PAUSED = "paused"  # as rolling, with the share frozen


class EventKind(Enum):
    """What can happen to a release."""

    ADOPT = "adopt"  # a version becomes champion at once (the first one, or by hand)
    START = "start"  # a candidate begins to take traffic
    SET_SHARE = "set_share"
    PAUSE = "pause"
    RESUME = "resume"
    PROMOTE = "promote"  # the candidate becomes champion
    ABORT = "abort"  # the candidate is withdrawn, the champion takes all traffic
    ROLLBACK = "rollback"  # the champion before this one becomes champion again


TRANSITIONS: dict[tuple[ReleaseStatus, EventKind], ReleaseStatus] = {
    (ReleaseStatus.UNRELEASED, EventKind.ADOPT): ReleaseStatus.STEADY,
    (ReleaseStatus.STEADY, EventKind.ADOPT): ReleaseStatus.STEADY,
    (ReleaseStatus.STEADY, EventKind.START): ReleaseStatus.ROLLING,
    (ReleaseStatus.STEADY, EventKind.ROLLBACK): ReleaseStatus.STEADY,
    (ReleaseStatus.ROLLING, EventKind.SET_SHARE): ReleaseStatus.ROLLING,
    (ReleaseStatus.ROLLING, EventKind.PAUSE): ReleaseStatus.PAUSED,
    (ReleaseStatus.ROLLING, EventKind.PROMOTE): ReleaseStatus.STEADY,
    (ReleaseStatus.ROLLING, EventKind.ABORT): ReleaseStatus.STEADY,
    (ReleaseStatus.PAUSED, EventKind.RESUME): ReleaseStatus.ROLLING,
    (ReleaseStatus.PAUSED, EventKind.PROMOTE): ReleaseStatus.STEADY,
    (ReleaseStatus.PAUSED, EventKind.ABORT): ReleaseStatus.STEADY,
}


@dataclass(frozen=True)
class ReleaseEvent:
    """One line of the ledger.

    Attributes:
        version: the version the event is about; for ROLLBACK the version returned to, for the others as named there.
        share: part of the traffic for the candidate, in [0, 1], exact in steps of 1 / BUCKETS; START and SET_SHARE.
        salt: START only; keeps the split of one release independent of the split of another.
        at: aware, UTC.
        sequence: the ledger's number, counted from 1 over all models; 0 before the event is appended.
    """

    model: str
    kind: EventKind
    at: datetime
    actor: str
    reason: str
    version: int | None = None
    share: float | None = None
    strategy: Strategy | None = None
    salt: str | None = None
    sequence: int = 0

    def to_json(self) -> dict[str, Any]:
        """JSON data for scripts and reports; nothing that is not set."""
        named = {
            **vars(self),
            "kind": self.kind.value,
            "at": self.at.isoformat(),
            "strategy": self.strategy.value if self.strategy else None,
        }
        return {name: value for name, value in named.items() if value is not None}


@dataclass(frozen=True)
class ReleaseState:
    """What the ledger says about one model now.

    Invariants: STEADY, ROLLING and PAUSED have a champion; ROLLING and PAUSED have a candidate, a strategy and a salt;
    without a candidate the share is 0.

    Attributes:
        champions: every version that was champion, oldest first, the present one last; a rollback removes the last.
        sequence: number of the last event folded in; 0 for none.
    """

    model: str
    status: ReleaseStatus = ReleaseStatus.UNRELEASED
    champions: tuple[int, ...] = ()
    candidate: int | None = None
    strategy: Strategy | None = None
    share: float = 0.0
    salt: str = ""
    sequence: int = 0

    @property
    def champion(self) -> int | None:
        """The version that answers by default; None while UNRELEASED."""
        return self.champions[-1] if self.champions else None

    @property
    def previous(self) -> int | None:
        """The version a rollback returns to."""
        return self.champions[-2] if len(self.champions) > 1 else None

    def to_json(self) -> dict[str, Any]:
        """JSON data for scripts and reports."""
        return {
            **vars(self),
            "status": self.status.value,
            "champion": self.champion,
            "previous": self.previous,
            "champions": list(self.champions),
            "strategy": self.strategy.value if self.strategy else None,
        }


def apply(state: ReleaseState, event: ReleaseEvent) -> ReleaseState:
    """Give the state after an event.

    Raises:
        InvalidInputError: the event is not legal in this state, or lacks a value its kind needs.
    """
    status = TRANSITIONS.get((state.status, event.kind))
    if status is None:
        legal = sorted(kind.value for origin, kind in TRANSITIONS if origin is state.status)
        raise InvalidInputError(
            f"'{event.kind.value}' is not possible for model '{state.model}' while it is {state.status.value}",
            hint=f"possible now: {', '.join(legal)}",
        )
    after = replace(state, status=status, sequence=event.sequence)
    if event.kind is EventKind.START:
        return _start(after, event)
    if event.kind is EventKind.SET_SHARE:
        return replace(after, share=_share(event))
    if event.kind in {EventKind.PAUSE, EventKind.RESUME}:
        return after
    return _settle(after, event)


def fold(model: str, events: Iterable[ReleaseEvent]) -> ReleaseState:
    """Give the state after all events, oldest first."""
    state = ReleaseState(model)
    for event in events:
        state = apply(state, event)
    return state


def _start(state: ReleaseState, event: ReleaseEvent) -> ReleaseState:
    if event.version is None or event.strategy is None or not event.salt:
        raise InvalidInputError(f"a release of '{state.model}' starts with a version, a strategy and a salt")
    if event.version == state.champion:
        raise InvalidInputError(f"version {event.version} of '{state.model}' is the champion already")
    return replace(state, candidate=event.version, strategy=event.strategy, share=_share(event), salt=event.salt)


def _settle(state: ReleaseState, event: ReleaseEvent) -> ReleaseState:
    """End with one version taking all traffic."""
    champions = state.champions
    if event.kind is EventKind.ADOPT:
        if event.version is None:
            raise InvalidInputError(f"adopting a champion for '{state.model}' needs a version")
        champions = champions if event.version == state.champion else (*champions, event.version)
    elif event.kind is EventKind.PROMOTE:
        assert state.candidate is not None
        champions = (*champions, state.candidate)
    elif event.kind is EventKind.ROLLBACK:
        if state.previous is None:
            raise InvalidInputError(f"model '{state.model}' has no earlier champion to return to")
        champions = champions[:-1]
    return replace(state, champions=champions, candidate=None, strategy=None, share=0.0, salt="")


def _share(event: ReleaseEvent) -> float:
    share = event.share
    if share is None or not 0.0 <= share <= 1.0:
        raise InvalidInputError(f"share is {share}; it must be between 0 and 1 (0.05 is 5 % of the traffic)")
    return round(share * BUCKETS) / BUCKETS
