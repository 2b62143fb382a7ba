"""The mirror's process: `python -m headrace.pipeline.mirror HOME`; where it sends to is in the environment.

It yields the processor to everything else, sends what is not sent yet, and ends; what happened is in `mirror.log`.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path

from headrace.core.config import load_settings
from headrace.core.database import open_database
from headrace.core.errors import HeadraceError
from headrace.core.logging import configure_logging, get_logger
from headrace.pipeline.mirror.client import MlflowServer
from headrace.pipeline.mirror.work import MirrorJob, mirror
from headrace.pipeline.workspace import Workspace

NICENESS = 10
PATIENCE_S = 120.0


def main() -> int:
    """Send what is not sent yet; the exit code."""
    configure_logging("json")
    log = get_logger("mirror")
    with suppress(OSError):
        os.nice(NICENESS)
    try:
        settings = load_settings(home=Path(sys.argv[1]))
        workspace = Workspace.of(settings)
        server = MlflowServer.parse(settings.mlflow_uri, token=settings.mlflow_token)
        engine = open_database(workspace.database)
        try:
            done = mirror(MirrorJob(engine, workspace.home, server, patience_s=PATIENCE_S))
        finally:
            engine.dispose()
    except HeadraceError as error:
        log.warning("mirror_ended", error=error.message)
        return error.exit_code
    log.info("mirror_ended", runs=done.runs, versions=done.versions, refused=list(done.refused))
    return 0


if __name__ == "__main__":
    sys.exit(main())
