"""Ctrl-C that ends a command wherever it arrives, and breaks nothing on its way.

Python raises `KeyboardInterrupt` between any two steps of the main thread, and some of those places cannot bear it:

* A module that is being loaded: a C library turns it into an `ImportError`, which many packages read as "this optional
  part is not installed".
* The entering and the leaving of a context: what was opened is never closed, a lock that was taken is never released.
* The inside of a library: `threading` leaves a lock taken for which other threads then wait for ever, and Rust that
  called back into Python panics.
* A destructor: it may not raise, so Python prints the exception and goes on.

An interrupt that meets one of the first three waits until the main thread has left it, and one that met the last is
raised again. A thread that stands still in a library, as one that waits for others does, is interrupted there.
"""

from __future__ import annotations

import signal
import sys
import sysconfig
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import headrace

if TYPE_CHECKING:
    from sys import UnraisableHookArgs

_LOOK_AGAIN_S = 0.02
_WAIT_S = 3.0
"""Nobody who presses Ctrl-C waits longer, but for a module: what takes so long is no short step of a library."""

_OURS = tuple(str(Path(headrace.__file__).parent.with_name(name)) for name in ("headrace", "headrace_kernels"))
_LIBRARIES = (
    "<frozen ",
    *(sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")),
)


@contextmanager
def whole_interrupts() -> Iterator[None]:
    """Let Ctrl-C end the block from the next place that bears it; a second press does not wait for one.

    For the main thread of a process of ours: SIGALRM and its timer are used while the block runs.
    """
    press = _Press()
    previous_hook = sys.unraisablehook

    def was_lost(lost: UnraisableHookArgs) -> None:
        if issubclass(lost.exc_type, KeyboardInterrupt):
            press.wait()
        else:
            previous_hook(lost)

    previous = {
        signal.SIGINT: signal.signal(signal.SIGINT, press.arrived),
        signal.SIGALRM: signal.signal(signal.SIGALRM, press.looked_again),
    }
    sys.unraisablehook = was_lost
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        sys.unraisablehook = previous_hook
        for number, handler in previous.items():
            signal.signal(number, handler)


class _Press:
    """A press of Ctrl-C, from the time it arrives until it ends what runs."""

    def __init__(self) -> None:
        self._since: float | None = None
        self._place: tuple[int, int] | None = None

    def arrived(self, _number: int, frame: FrameType | None) -> None:
        """Handle SIGINT."""
        if self._since is None and not self._may_end(frame):
            self.wait()
            return
        self._forget()
        raise KeyboardInterrupt

    def wait(self) -> None:
        """Look for a better place."""
        self._since = time.monotonic() if self._since is None else self._since
        # Again and again: a signal that comes just before a system call that waits does not end the wait.
        signal.setitimer(signal.ITIMER_REAL, _LOOK_AGAIN_S, _LOOK_AGAIN_S)

    def looked_again(self, _number: int, frame: FrameType | None) -> None:
        """Handle SIGALRM."""
        if self._since is None or not self._may_end(frame):
            return
        self._forget()
        if signal.getsignal(signal.SIGINT) == self.arrived:
            raise KeyboardInterrupt
        signal.raise_signal(signal.SIGINT)  # to whoever answers to it by now: a server has its own handler

    def _forget(self) -> None:
        self._since = self._place = None
        signal.setitimer(signal.ITIMER_REAL, 0)

    def _may_end(self, frame: FrameType | None) -> bool:
        """Whether the main thread, which is in this frame, may be interrupted now."""
        if _is_loading_a_module(frame):
            return False
        if self._since is not None and time.monotonic() - self._since > _WAIT_S:
            return True
        if _is_in_a_threshold(frame):
            return False
        if frame is None or not _is_library(frame):
            return True
        before, self._place = self._place, (id(frame), frame.f_lasti)
        return before == self._place


def _frames(frame: FrameType | None) -> Iterator[FrameType]:
    while frame is not None:
        yield frame
        frame = frame.f_back


def _is_loading_a_module(frame: FrameType | None) -> bool:
    return any(one.f_code.co_filename.startswith("<frozen importlib") for one in _frames(frame))


def _is_in_a_threshold(frame: FrameType | None) -> bool:
    return any(one.f_code.co_name in {"__enter__", "__exit__"} for one in _frames(frame))


def _is_library(frame: FrameType) -> bool:
    file = frame.f_code.co_filename
    return file.startswith(_LIBRARIES) and not file.startswith(_OURS)
