"""Starting the mirror's process without waiting for it, whatever state the server is in."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from headrace.core.config import Settings
from headrace.core.logging import get_logger

LOG_FILE = "mirror.log"
MAX_LOG_BYTES = 1_000_000

# The shell starts the process behind itself and ends: nobody's child, it outlives the command and leaves no zombie.
_BEHIND = 'exec </dev/null >>"$1" 2>&1; shift; "$@" &'


def start_mirror(home: Path, settings: Settings) -> None:
    """Start the mirror's process where a server is set; a few milliseconds, and never an error of the command's.

    Address and credentials go by the environment, which the process inherits: command lines are readable by everyone.

    Args:
        home: the workspace.
        settings: where to.
    """
    if not settings.mlflow_uri:
        return
    log = home.absolute() / LOG_FILE
    program = [sys.executable, "-m", "headrace.pipeline.mirror", str(home.absolute())]
    try:
        if log.is_file() and log.stat().st_size > MAX_LOG_BYTES:
            log.replace(log.with_suffix(".log.1"))
        subprocess.run(  # noqa: S603  our own program
            ["/bin/sh", "-c", _BEHIND, "sh", str(log), *program],
            stdin=subprocess.DEVNULL,
            check=True,
            start_new_session=True,  # Ctrl-C on the terminal is not for the mirror
        )
    except (OSError, subprocess.SubprocessError) as error:
        get_logger("mirror").warning("mirror_not_started", error=str(error))
