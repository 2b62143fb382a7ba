"""Release operations: one transaction each, which writes the ledger and moves the registry's alias, or does nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from headrace.core.clock import Clock
from headrace.core.errors import UnimplementedError
from headrace.rollout.ledger import Ledger
from headrace.rollout.state import EventKind, ReleaseEvent, ReleaseState, ReleaseStatus, Strategy

CHAMPION = "champion"
CHALLENGER = "challenger"
_UNDER_WAY = {ReleaseStatus.ROLLING, ReleaseStatus.PAUSED}


@dataclass(frozen=True)
class AliasMove:
    """What a release asks of the registry: the alias names this version from the transaction's commit on."""

    model: str
    alias: str
    version: int
    actor: str
    reason: str
    at: datetime


@dataclass(frozen=True)
class Releases:
    """The operations a person, a pipeline or an analysis may ask for.

    Args:
        ledger: where every decision is written before it takes effect.
        clock: source of the events' times.
        move_alias: moves the registry's alias inside the given transaction; raises when the version does not exist,
            and then the ledger has no trace of the attempt either.
        actor: who asks; written with every event.
    """

    ledger: Ledger
    clock: Clock
    move_alias: Callable[[sa.Connection, AliasMove], None]
    actor: str

    def adopt(self, model: str, version: int, *, reason: str) -> ReleaseState:
        """Make a version champion at once: the first release of a model, or a decision by hand."""
        return self._record(model, EventKind.ADOPT, reason, version=version)

    def start(
        self, model: str, candidate: int, *, share: float, reason: str, strategy: Strategy = Strategy.CANARY
    ) -> ReleaseState:
        """Let a candidate take a share of the traffic, in [0, 1]; the alias `challenger` names it from now on.

        Raises:
            UnimplementedError: the strategy is not canary.
            InvalidInputError: a release is under way, the model has no champion, or the candidate is the champion.
        """
        if strategy is not Strategy.CANARY:
            raise UnimplementedError(f"strategy '{strategy.value}' is not supported yet", hint="supported: canary")
        return self._record(model, EventKind.START, reason, version=candidate, share=share)

    def set_share(self, model: str, share: float, *, reason: str) -> ReleaseState:
        """Give the candidate another share of the traffic."""
        return self._record(model, EventKind.SET_SHARE, reason, share=share)

    def pause(self, model: str, *, reason: str) -> ReleaseState:
        """Freeze the share: nothing but resume, promote and abort is possible."""
        return self._record(model, EventKind.PAUSE, reason)

    def resume(self, model: str, *, reason: str) -> ReleaseState:
        """Let the share move again."""
        return self._record(model, EventKind.RESUME, reason)

    def promote(self, model: str, *, reason: str) -> ReleaseState:
        """Make the candidate champion; it takes all traffic."""
        return self._record(model, EventKind.PROMOTE, reason)

    def abort(self, model: str, *, reason: str) -> ReleaseState:
        """Withdraw the candidate; the champion takes all traffic."""
        return self._record(model, EventKind.ABORT, reason)

    def rollback(self, model: str, *, reason: str) -> ReleaseState:
        """Go back: withdraw a candidate under way, else return to the champion before the present one."""
        return self._record(model, EventKind.ROLLBACK, reason)

    def _record(
        self, model: str, kind: EventKind, reason: str, *, version: int | None = None, share: float | None = None
    ) -> ReleaseState:
        with self.ledger.transaction() as transaction:
            before = self.ledger.state(model, transaction)
            kind = EventKind.ABORT if kind is EventKind.ROLLBACK and before.status in _UNDER_WAY else kind
            event = ReleaseEvent(
                model=model,
                kind=kind,
                at=self.clock.now(),
                actor=self.actor,
                reason=reason,
                version=_concerned(before, kind, version),
                share=share,
                strategy=Strategy.CANARY if kind is EventKind.START else None,
                salt=f"{model}:{version}:{before.sequence}" if kind is EventKind.START else None,
            )
            after = self.ledger.append(transaction, event)
            for alias, was, version_now in (
                (CHALLENGER, before.candidate, after.candidate),
                (CHAMPION, before.champion, after.champion),
            ):
                if version_now is not None and version_now != was:
                    move = AliasMove(model, alias, version_now, self.actor, reason, event.at)
                    self.move_alias(transaction, move)
            return after


def _concerned(before: ReleaseState, kind: EventKind, version: int | None) -> int | None:
    """Give the version an event is about, so that a line of the ledger reads on its own."""
    if kind in {EventKind.ADOPT, EventKind.START}:
        return version
    return before.previous if kind is EventKind.ROLLBACK else before.candidate
