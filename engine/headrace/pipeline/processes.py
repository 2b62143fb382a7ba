"""Processes a run starts: the server and its clients, the same programs a user starts by hand."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headrace.core.config import child_environment
from headrace.core.errors import HeadraceError, UnavailableError
from headrace.pipeline.workspace import Workspace

READY_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 20.0


@dataclass
class ServerProcess:
    """A running `headrace serve`, stopped by SIGTERM (drain), and by SIGKILL only when that takes too long.

    Attributes:
        process: the operating system's process.
        ready: what the server said when it took requests (`ReadyInfo` as JSON).
        log: file with what it wrote to stderr.
    """

    process: subprocess.Popen[bytes]
    ready: dict[str, Any]
    log: Path

    @property
    def address(self) -> str:
        """`host:port` of the gRPC port."""
        return str(self.ready["address"])

    @classmethod
    def start(
        cls, reference: str, workspace: Workspace, *, folder: Path, predictions: Path | None = None
    ) -> ServerProcess:
        """Start the server on free loopback ports and wait until it takes requests.

        Args:
            reference: what to serve, such as `late@champion`.
            workspace: whose models; where they are is told by the environment, since it may hold a password.
            folder: where the ready file and the log go.
            predictions: folder of the prediction log; None: predictions are not logged.

        Raises:
            UnavailableError: it ended before it was ready, or did not become ready in time; ends with its last words.
        """
        folder.mkdir(parents=True, exist_ok=True)
        ready_file, log = folder / "ready.json", folder / "server.log"
        ready_file.unlink(missing_ok=True)
        options = ["--home", str(workspace.home), "--port", "0", "--metrics-port", "0", "--ready-file", str(ready_file)]
        if predictions is not None:
            options += ["--prediction-log", str(predictions)]
        with log.open("wb") as out:
            # A session of its own: Ctrl-C on the terminal reaches the run, which then stops the server in order.
            process = subprocess.Popen(  # noqa: S603  our own program
                command("serve", reference, *options),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
                env=environment_of(workspace),
            )
        try:
            ready = _wait_for(ready_file, process, log)
        except BaseException:
            _stop(process)
            raise
        return cls(process, ready, log)

    def stop(self) -> int:
        """Ask the server to finish what it has and to end; its exit code."""
        return _stop(self.process)


def command(*arguments: str) -> list[str]:
    """Command line of our own program in the running interpreter's environment."""
    return [sys.executable, "-m", "headrace.cli.main", *arguments]


def run_json(arguments: Sequence[str], *, workspace: Workspace | None = None) -> dict[str, Any]:
    """Run a command of our own with `--json` in a process of its own and give its answer.

    Args:
        arguments: of the command.
        workspace: given, the command works on it; where its models are is told by the environment.

    Raises:
        HeadraceError: the command failed; the message is its own.
    """
    home = ["--home", str(workspace.home)] if workspace is not None else []
    done = subprocess.run(  # noqa: S603  our own program
        command(*arguments, *home, "--json"),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        env=environment_of(workspace),
    )
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines() or ["no message"]
        raise HeadraceError(f"'headrace {' '.join(arguments)}' ended with code {done.returncode}: {lines[-1]}")
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def environment_of(workspace: Workspace | None) -> dict[str, str]:
    """The environment of a child; a registry's password belongs here and not into a command line."""
    if workspace is None:
        return child_environment()
    return child_environment(HEADRACE_REGISTRY=workspace.registry, HEADRACE_PACKAGES=workspace.packages)


def _wait_for(ready_file: Path, process: subprocess.Popen[bytes], log: Path) -> dict[str, Any]:
    deadline = time.monotonic() + READY_TIMEOUT_S
    while not ready_file.exists():
        if process.poll() is not None:
            raise UnavailableError(f"the server ended with code {process.returncode}: {_last_words(log)}")
        if time.monotonic() > deadline:
            raise UnavailableError(f"the server was not ready after {READY_TIMEOUT_S:.0f} s: {_last_words(log)}")
        time.sleep(0.02)
    ready: dict[str, Any] = json.loads(ready_file.read_bytes())
    return ready


def _stop(process: subprocess.Popen[bytes]) -> int:
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
    return process.wait()


def _last_words(log: Path) -> str:
    lines = log.read_text(errors="replace").strip().splitlines()
    return " / ".join(lines[-3:]) or "it said nothing"
