"""Whether the process that wrote something is still there.

A process is named by its machine, its start of the machine, its namespace of process ids, its id and the moment it
started: an id that was given again, or a machine that was started again, is not mistaken for it.
"""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_PROC = Path("/proc")
_STATE, _STARTED = 0, 19  # fields of /proc/PID/stat behind the command's name
_DEAD = frozenset("ZXx")


@dataclass(frozen=True)
class ProcessName:
    """What names a process for good.

    Attributes:
        host: the machine's name.
        token: `pid:started:boot:namespace`; parts that the system does not tell are empty.
    """

    host: str
    token: str

    @classmethod
    def own(cls) -> ProcessName:
        """This process."""
        pid = os.getpid()
        return cls(socket.gethostname(), f"{pid}:{_started(pid) or ''}:{_boot()}:{_namespace()}")

    def is_alive(self) -> bool | None:
        """Whether the process runs; None where that cannot be seen from here: another machine or container."""
        if self.host != socket.gethostname():
            return None
        pid, started, boot, namespace = self.token.split(":", 3)
        if boot != _boot():
            return False
        if namespace != _namespace():
            return None
        if not started:
            return _answers(int(pid))
        return _started(int(pid)) == started


def _started(pid: int) -> str | None:
    """Clock ticks from the machine's start to the process's; None where there is none, or only its remains."""
    try:
        fields = (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[_STATE] in _DEAD else fields[_STARTED]


def _answers(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


@cache
def _boot() -> str:
    with suppress(OSError):
        return (_PROC / "sys/kernel/random/boot_id").read_text().strip()
    return ""


def _namespace() -> str:
    with suppress(OSError):
        return (_PROC / "self/ns/pid").readlink().name
    return ""
