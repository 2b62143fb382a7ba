"""Starting the mirror's process without waiting for it, whatever state the server is in."""

from __future__ import annotations

import subprocess
import sys

from headrace.core.config import Settings
from headrace.core.logging import get_logger
from headrace.pipeline.processes import environment_of
from headrace.pipeline.workspace import Workspace

LOG_FILE = "mirror.log"
MAX_LOG_BYTES = 1_000_000

# The shell starts the process behind itself and ends: nobody's child, it outlives the command and leaves no zombie.
_BEHIND = 'exec </dev/null >>"$1" 2>&1; shift; "$@" &'


def start_mirror(workspace: Workspace, settings: Settings) -> None:
    """Start the mirror's process where a server is set; a few milliseconds, and never an error of the command's.

    Addresses and credentials go by the environment, which the process inherits: command lines are readable by everyone.

    Args:
        workspace: whose runs and versions.
        settings: where to.
    """
    if not settings.mlflow_uri:
        return
    home = workspace.home.absolute()
    log = home / LOG_FILE
    program = [sys.executable, "-m", "headrace.pipeline.mirror", str(home)]
    try:
        if log.is_file() and log.stat().st_size > MAX_LOG_BYTES:
            log.replace(log.with_suffix(".log.1"))
        subprocess.run(  # noqa: S603  our own program
            ["/bin/sh", "-c", _BEHIND, "sh", str(log), *program],
            stdin=subprocess.DEVNULL,
            env=environment_of(workspace),
            check=True,
            start_new_session=True,  # Ctrl-C on the terminal is not for the mirror
        )
    except (OSError, subprocess.SubprocessError) as error:
        get_logger("mirror").warning("mirror_not_started", error=str(error))
