"""Mirrors copies of a workspace in child processes, each killed by SIGKILL at another step.

mirror_killer.py HOMES URL FIRST LAST STRIDE     the child for step n mirrors HOMES/n and dies at its n-th step: a
                                                  request, an answer or a transaction; prints the steps that died
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from headrace.core.database import open_database
from headrace.pipeline.mirror import MirrorJob, MlflowServer, mirror
from headrace.pipeline.mirror.client import MlflowClient


class DeathAt:
    """Kill this process at its n-th step."""

    def __init__(self, step: int) -> None:
        self.left = step

    def tick(self, *_args: Any) -> None:
        self.left -= 1
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def around(self, call: Any) -> Any:
        def counted(*args: Any, **kwargs: Any) -> Any:
            self.tick()
            answer = call(*args, **kwargs)
            self.tick()
            return answer

        return counted


def mirror_and_die(home: Path, url: str, step: int) -> None:
    engine = open_database(home / "registry.db")
    death = DeathAt(step)
    MlflowClient._call = death.around(MlflowClient._call)  # type: ignore[method-assign]
    sa.event.listen(engine, "commit", death.tick)
    mirror(MirrorJob(engine, home, MlflowServer.parse(url), patience_s=10))


def main() -> None:
    homes, url = Path(sys.argv[1]), sys.argv[2]
    for step in range(*map(int, sys.argv[3:6])):
        child = os.fork()
        if child == 0:
            mirror_and_die(homes / str(step), url, step)
            os._exit(0)
        if os.waitpid(child, 0)[1] != 0:
            print(step)  # noqa: T201 - the answer of this program


if __name__ == "__main__":
    main()
