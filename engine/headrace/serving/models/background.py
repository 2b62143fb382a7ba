"""Work beside requests: by a thread of lower priority, so that the system lets those go first who answer."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

Result = TypeVar("Result")

NICENESS = 10
"""Of 19: a tenth of the CPU where somebody answers, all of it where nobody does."""


def run_in_background(work: Callable[[], Result]) -> Result:
    """Do work in a thread of lower priority, and wait for it.

    Threads that the work starts keep that priority. Where threads have none of their own (not Linux), it is just done.

    Raises:
        Exception: what the work raises.
    """
    done: list[Result] = []
    failed: list[BaseException] = []

    def run() -> None:
        with suppress(OSError, AttributeError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)
        try:
            done.append(work())
        except BaseException as error:  # noqa: BLE001  raised again below
            failed.append(error)

    thread = threading.Thread(target=run, name="background", daemon=True)
    thread.start()
    thread.join()
    try:
        if failed:
            raise failed[0]
    finally:
        failed.clear()  # the error would hold this frame, and what was loaded
    return done[0]
