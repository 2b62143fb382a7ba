"""The file of keys as it is now: read again when it changes, and kept as it was when the new one is wrong."""

from __future__ import annotations

import threading
from collections.abc import Callable
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

    Attributes:
        lock: held while the keyring is replaced and `on_change` is called.
        on_change: called when it was replaced.

    Raises:
        HeadraceError: the file cannot be used at start, as `read_keys` says.
    """

    def __init__(self, path: Path, clock: Clock) -> None:
        self._path = path
        self._clock = clock
        self.lock = threading.RLock()
        self.on_change: Callable[[], None] = lambda: None
        self._looking = threading.Lock()
        self._seen = _state(path)
        self._keyring = read_keys(path)
        self._look_at = clock.monotonic() + LOOK_S

    def is_current(self, keyring: Keyring) -> bool:
        """Whether a keyring is still the one that is valid; certain only under `lock`."""
        return self._keyring is keyring

    @property
    def keyring(self) -> Keyring:
        """Keys that are valid now."""
        if self._clock.monotonic() >= self._look_at and self._looking.acquire(blocking=False):
            try:
                self._look_at = self._clock.monotonic() + LOOK_S
                self._refresh()
            finally:
                self._looking.release()
        return self._keyring

    def _refresh(self) -> None:
        state = _state(self._path)
        if state == self._seen:
            return
        self._seen = state
        try:
            keyring = read_keys(self._path)
        except HeadraceError as error:
            _LOG.error("access_file_refused", file=str(self._path), error=error.message)
            return
        with self.lock:
            self._keyring = keyring
            self.on_change()
        _LOG.info("access_file_read", file=str(self._path), keys=len(keyring.keys))


def _state(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
