"""One run while it happens: what it tells is collected, and written a transaction at a time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from headrace.core.clock import Clock
from headrace.core.errors import CancelledError, InvalidInputError, UnavailableError
from headrace.core.hashing import finite_or_none
from headrace.training.runs.pending import Pending
from headrace.training.runs.records import (
    Artefact,
    MetricValue,
    RegisteredVersion,
    RunKind,
    RunStart,
    RunStatus,
    SnapshotRead,
)
from headrace.training.runs.records import flatten as flattened

if TYPE_CHECKING:
    from headrace.training.runs.store import RunStore

FLUSH_S = 1.0
_INTERRUPTIONS = (KeyboardInterrupt, CancelledError, SystemExit)


class RunRecorder:
    """The handle of a running run. Calls are cheap and may come from any thread.

    Invariants: what was told before a `flush` or `finish` that returned is in the database, whole; what was told since
    is collected, and written by the first call a second after the last write. A process that dies leaves the run as it
    was last written, and readers call it killed. After `finish` nothing more is taken.
    """

    def __init__(self, store: RunStore, run: str, start: RunStart, *, clock: Clock) -> None:
        self._store, self._run, self._start, self._clock = store, run, start, clock
        self._pending = Pending()
        self._lock = threading.Lock()
        self._written_at = clock.monotonic()
        self._has_ended = False

    @property
    def id(self) -> str:
        """The run's id, for its children."""
        return self._run

    def child(self, kind: RunKind, name: str = "") -> RunRecorder:
        """Begin a run of the same project, model and code that belongs to this one."""
        start = replace(self._start, kind=kind, name=name, parent=self._run, environment={})
        return self._store.begin(start)

    def parameters(self, values: Mapping[str, Any]) -> None:
        """Tell settings; nested mappings are joined by dots, a later value replaces an earlier one."""
        self._take(lambda pending, _at: pending.parameters.update(flattened(values)))

    def metric(
        self,
        name: str,
        value: float | None,
        low: float | None = None,
        high: float | None = None,
        *,
        higher_is_better: bool | None = None,
    ) -> None:
        """Tell a metric with its interval where it has one; a later value replaces an earlier one. NaN becomes null."""
        told = MetricValue(_finite(value), _finite(low), _finite(high), higher_is_better)
        self._take(lambda pending, at: pending.metrics.update({name: replace(told, at=at)}))

    def curve(self, name: str, points: Iterable[Sequence[float]]) -> None:
        """Tell a curve from its start: (x, y) in order; a longer one replaces it. NaN and Inf are left out."""
        pairs = [(float(x), float(y)) for x, y in points]
        finite = [[x, y] for x, y in pairs if finite_or_none(x) is not None and finite_or_none(y) is not None]
        self._take(lambda pending, at: pending.curves.update({name: (finite, at)}))

    def artefact(self, name: str, path: str = "", *, digest: str = "", size_bytes: int | None = None) -> None:
        """Tell a file that the run left."""
        self._take(lambda pending, _at: pending.artefacts.update({name: Artefact(str(path), digest, size_bytes)}))

    def snapshot(self, table: str, read: SnapshotRead) -> None:
        """Tell a table as it was read."""
        self._take(lambda pending, _at: pending.snapshots.update({table: read}))

    def version(self, registered: RegisteredVersion) -> None:
        """Tell a model version that the run registered."""
        self._take(lambda pending, _at: pending.versions.update({str(registered): registered}))

    def tag(self, name: str, value: str) -> None:
        """Tell a word about the run, such as the metric it is ranked by (`objective`)."""
        self._take(lambda pending, _at: pending.tags.update({name: value}))

    def note(self, text: str) -> None:
        """Tell a sentence for people."""
        self.tag("note", text)

    def flush(self) -> None:
        """Write what was told; it is safe when this returns.

        Raises:
            UnavailableError: the database does not take it; what was told is kept for the next write.
        """
        with self._lock:
            self._write(None, "")

    def finish(self, status: RunStatus = RunStatus.FINISHED, failure: str = "") -> None:
        """Write what was told and how the run ended; it is safe when this returns. A second call changes nothing.

        Raises:
            UnavailableError: the database does not take it.
        """
        with self._lock:
            if not self._has_ended:
                self._write(status, failure)
                self._has_ended = True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _type: type[BaseException] | None, error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        """End the run: finished, failed with the error's words, or killed where a person interrupted it."""
        if error is None:
            self.finish()
            return
        status, words = RunStatus.FAILED, str(error) or type(error).__name__
        if isinstance(error, _INTERRUPTIONS):
            status, words = RunStatus.KILLED, str(error) or "interrupted"
        with suppress(UnavailableError):  # the block's own error is the one to hear of
            self.finish(status, words)

    def _take(self, change: Callable[[Pending, datetime], None]) -> None:
        with self._lock:
            if self._has_ended:
                raise InvalidInputError(f"run {self._run} has ended; it takes nothing more")
            change(self._pending, self._clock.now())
            if self._clock.monotonic() - self._written_at >= FLUSH_S:
                self._written_at = self._clock.monotonic()
                with suppress(UnavailableError):  # nothing is lost by waiting: `flush` and `finish` will say so
                    self._write(None, "")

    def _write(self, status: RunStatus | None, failure: str) -> None:
        self._store.write(self._run, self._pending, status, failure)
        self._pending = Pending()
        self._written_at = self._clock.monotonic()


def _finite(value: float | None) -> float | None:
    return None if value is None else finite_or_none(value)
