"""Garbage collection: packages that nothing needs leave the store; their versions stay in the index, marked.

A version is needed while an alias names it, while it is among the last places of an alias (where a rollback may go
back to), among the newest versions, pinned, or held by whoever else shares the index (a release under way).
The mark is written before the content goes, and the content goes while nobody can register: a kill leaves a marked
version with its content still there, which the next collection removes, and never a version without either.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import sqlalchemy as sa

from headrace.core.clock import Clock, SystemClock
from headrace.core.database import reading
from headrace.core.errors import InvalidInputError, NotFoundError
from headrace.packaging import aliases, retention
from headrace.packaging.registry import ModelVersion, Registry
from headrace.packaging.retention import Action, RetentionRecord

KEEP_LAST = 3
Needs = Callable[[sa.Connection, str], Mapping[int, str]]
"""Versions of a model that others need, with the reason, as seen by a transaction."""


@dataclass(frozen=True)
class Decision:
    """What becomes of one version's package.

    Attributes:
        version: which.
        reasons: why it is needed; none: it is collected.
    """

    version: ModelVersion
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class Collected:
    """What a collection did, or would do.

    Attributes:
        decisions: of every version whose package is there, by model and version.
        freed_bytes: of the packages removed; 0 for a trial.
        finished: packages that an earlier, killed collection had marked and not removed.
    """

    decisions: tuple[Decision, ...]
    freed_bytes: int
    finished: int


@dataclass(frozen=True)
class Keeper:
    """Pins and collects the packages of one registry.

    Args:
        registry: whose packages.
        actor: who asks; written with every record.
        clock: source of the records' times.
        needs: versions that the release ledger holds.
    """

    registry: Registry
    actor: str
    clock: Clock = field(default_factory=SystemClock)
    needs: Needs = lambda _tx, _name: {}

    def pin(self, reference: str, *, reason: str) -> RetentionRecord:
        """Keep a version's package whatever else happens; a second pin replaces the first one's reason.

        Raises:
            NotFoundError: no such version, or its package was collected.
        """
        version = self.registry.resolve(reference)
        with self.registry.engine.begin() as tx:
            if version.version in retention.state(tx, version.name).collected:
                raise NotFoundError(f"{version} was collected, there is nothing to pin", hint=retention.RESTORE_HINT)
            return self._record(tx, version, Action.PIN, reason)

    def unpin(self, reference: str, *, reason: str) -> RetentionRecord:
        """Let go of a pin.

        Raises:
            NotFoundError: no such version, or it is not pinned.
        """
        version = self.registry.resolve(reference)
        with self.registry.engine.begin() as tx:
            pinned = retention.state(tx, version.name).pinned
            if version.version not in pinned:
                listed = ", ".join(f"{version.name}@{number}" for number in sorted(pinned)) or "none"
                raise NotFoundError(f"{version} is not pinned; pinned: {listed}")
            return self._record(tx, version, Action.UNPIN, reason)

    def collect(self, *, keep_last: int = KEEP_LAST, is_trial: bool = False) -> Collected:
        """Remove the packages that nothing needs.

        Args:
            keep_last: how many of the newest versions, and of each alias's last places, are kept.
            is_trial: decide and change nothing.

        Raises:
            InvalidInputError: `keep_last` is below 1.
        """
        if keep_last < 1:
            raise InvalidInputError(f"keep-last is {keep_last}; it must be at least 1: what is newest is never garbage")
        if is_trial:
            with reading(self.registry.engine) as tx:
                return Collected(self._decide(tx, keep_last), 0, 0)
        with self.registry.engine.begin() as tx:
            decisions = self._decide(tx, keep_last)
            for one in decisions:
                if not one.reasons:
                    reason = f"nothing needed it; the last {keep_last} are kept"
                    self._record(tx, one.version, Action.COLLECT, reason)
        going = sum(not one.reasons for one in decisions)
        removed, freed = self._remove_marked()
        return Collected(decisions, freed, removed - going)

    def _remove_marked(self) -> tuple[int, int]:
        """Remove the content of every marked version, under the write lock: how many, and their bytes."""
        removed = freed = 0
        store = self.registry.store
        for name in self.registry.names():
            for number in sorted(self.registry.retention(name).collected):
                version = self.registry.get(name, number)
                if not store.files(version.digest).names():
                    continue
                with self.registry.engine.begin() as tx:  # it may be restored meanwhile, and is whole then
                    if number in retention.state(tx, name).collected:
                        freed += store.remove(version.digest)
                        removed += 1
        store.sweep()
        return removed, freed

    def _decide(self, tx: sa.Connection, keep_last: int) -> tuple[Decision, ...]:
        found: list[Decision] = []
        for name in self.registry.names():
            versions = self.registry.versions(name)
            state = retention.state(tx, name)
            needed = self._needed(tx, name, keep_last, newest=versions[-1].version)
            found += [
                Decision(version, tuple(needed.get(version.version, ())))
                for version in versions
                if version.version not in state.collected
            ]
        return tuple(found)

    def _needed(self, tx: sa.Connection, name: str, keep_last: int, *, newest: int) -> dict[int, list[str]]:
        needed: dict[int, list[str]] = {}

        def need(version: int, reason: str) -> None:
            needed.setdefault(version, []).append(reason)

        current = aliases.current(tx, name)
        for alias, version in current.items():
            need(version, f"alias {alias}")
        places: dict[str, list[int]] = {}
        for move in reversed(aliases.history(tx, name)):
            seen = places.setdefault(move.alias, [])
            if move.version is not None and move.version not in seen and len(seen) < keep_last:
                seen.append(move.version)
                if current.get(move.alias) != move.version:
                    need(move.version, f"a place {move.alias} may go back to")
        for version, record in retention.state(tx, name).pinned.items():
            need(version, f"pinned by {record.actor}: {record.reason}")
        for version, reason in self.needs(tx, name).items():
            need(version, reason)
        for version in range(max(1, newest - keep_last + 1), newest + 1):
            need(version, f"among the newest {keep_last}")
        return needed

    def _record(self, tx: sa.Connection, version: ModelVersion, action: Action, reason: str) -> RetentionRecord:
        record = RetentionRecord(0, version.name, version.version, action, self.actor, reason, self.clock.now())
        return retention.append(tx, record)
