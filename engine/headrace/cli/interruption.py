"""Ctrl-C that is never lost: not in a module that is being loaded, not in a destructor.

Python raises `KeyboardInterrupt` wherever the main thread happens to be, and two of those places lose it. A library
written in C whose initialisation is interrupted turns it into an `ImportError`, which many packages read as "this
optional part is not installed". A destructor may not raise: Python prints the exception and goes on. Here an interrupt
that meets the first waits until the module is loaded, and one that met the second is raised again.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sys import UnraisableHookArgs

_LOOK_AGAIN_S = 0.02


@contextmanager
def whole_interrupts() -> Iterator[None]:
    """Let Ctrl-C end the block wherever it arrives; a second press does not wait for a module to load.

    For the main thread of a process of ours: SIGALRM and its timer are used while the block runs.
    """
    presses = 0

    def pressed(_number: int, frame: FrameType | None) -> None:
        nonlocal presses
        presses += 1
        waits = presses == 1 and _is_loading_a_module(frame)
        signal.setitimer(signal.ITIMER_REAL, _LOOK_AGAIN_S if waits else 0)
        if not waits:
            raise KeyboardInterrupt

    def looked_again(_number: int, frame: FrameType | None) -> None:
        nonlocal presses
        if _is_loading_a_module(frame):
            signal.setitimer(signal.ITIMER_REAL, _LOOK_AGAIN_S)
        else:
            presses = 0
            signal.raise_signal(signal.SIGINT)  # to whoever answers to it by now: a server has its own handler

    def was_lost(lost: UnraisableHookArgs) -> None:
        if issubclass(lost.exc_type, KeyboardInterrupt):
            signal.setitimer(signal.ITIMER_REAL, _LOOK_AGAIN_S)
        else:
            previous_hook(lost)

    previous_hook = sys.unraisablehook
    previous = {
        signal.SIGINT: signal.signal(signal.SIGINT, pressed),
        signal.SIGALRM: signal.signal(signal.SIGALRM, looked_again),
    }
    sys.unraisablehook = was_lost
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        sys.unraisablehook = previous_hook
        for number, handler in previous.items():
            signal.signal(number, handler)


def _is_loading_a_module(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False
