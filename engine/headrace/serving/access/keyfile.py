"""The file of keys as it is now: read again when it changes, and kept as it was when the new one is wrong."""

from __future__ import annotations

import threading
from pathlib import Path

from headrace.core.clock import Clock
from headrace.core.errors import HeadraceError
from headrace.core.logging import get_logger
from headrace.serving.access.keys import Keyring, read_keys

_LOG = get_logger("serving")

LOOK_S = 1.0
"""The file is looked at this often at most, by the call that comes first."""


class KeyFile:
    """Gives the keyring of the moment; safe from any thread.

    Invariant: a file that cannot be used changes nothing; it is told once for each of its states.

    Args:
        path: the file.
        clock: monotonic time.

    Raises:
        HeadraceError: the file cannot be used at start, as `read_keys` says.
    """

    def __init__(self, path: Path, clock: Clock) -> None:
        self._path = path
        self._clock = clock
        self._lock = threading.Lock()
        self._seen = _state(path)
        self._keyring = read_keys(path)
        self._look_at = clock.monotonic() + LOOK_S

    @property
    def keyring(self) -> Keyring:
        """Keys that are valid now."""
        if self._clock.monotonic() >= self._look_at and self._lock.acquire(blocking=False):
            try:
                self._look_at = self._clock.monotonic() + LOOK_S
                self._refresh()
            finally:
                self._lock.release()
        return self._keyring

    def _refresh(self) -> None:
        state = _state(self._path)
        if state == self._seen:
            return
        self._seen = state
        try:
            self._keyring = read_keys(self._path)
        except HeadraceError as error:
            _LOG.error("access_file_refused", file=str(self._path), error=error.message)
        else:
            _LOG.info("access_file_read", file=str(self._path), keys=len(self._keyring.keys))


def _state(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
