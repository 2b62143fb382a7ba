"""A process that registers packages, to be killed: at a chosen system call, or from outside.

registry_writer.py SOURCES HOME           register every package under SOURCES
registry_writer.py SOURCES HOME STEPS     fork a child for each step 1..STEPS; each child dies by SIGKILL at that
                                          file-system or database step, in HOME/<step>; prints how many steps a
                                          whole registration takes
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from headrace.core.database import open_database
from headrace.packaging import Registry


class DeathAt:
    """Kill this process at its n-th step; a step is what makes something lasting."""

    def __init__(self, step: int) -> None:
        self.step = step
        self.count = 0

    def wrap(self, call: Any) -> Any:
        def counted(*args: Any, **kwargs: Any) -> Any:
            self.tick()
            return call(*args, **kwargs)

        return counted

    def tick(self, *_args: Any) -> None:
        self.count += 1
        if self.count == self.step:
            os.kill(os.getpid(), signal.SIGKILL)


def register_all(sources: Path, home: Path, engine: sa.Engine) -> None:
    registry = Registry(engine, home)
    for package in sorted(sources.iterdir()):
        registry.register("late", package)


def die_at(step: int, sources: Path, home: Path) -> int:
    death = DeathAt(step)
    engine = open_database(home / "registry.db")
    for module, name in ((os, "fsync"), (Path, "rename"), (Path, "write_bytes"), (Path, "mkdir"), (Path, "chmod")):
        setattr(module, name, death.wrap(getattr(module, name)))
    sa.event.listen(engine, "before_cursor_execute", death.tick)
    sa.event.listen(engine, "commit", death.tick)
    register_all(sources, home, engine)
    return death.count


def main() -> None:
    sources, home = Path(sys.argv[1]), Path(sys.argv[2])
    if len(sys.argv) == 3:
        register_all(sources, home, open_database(home / "registry.db"))
        return
    for step in range(1, int(sys.argv[3]) + 1):
        child = os.fork()
        if child == 0:
            die_at(step, sources, home / str(step))
            os._exit(0)
        if os.waitpid(child, 0)[1] == 0:
            print(step - 1)  # noqa: T201 - the answer of this program
            return


if __name__ == "__main__":
    main()
