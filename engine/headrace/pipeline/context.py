"""What the stages of one run share."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import sqlalchemy as sa

from headrace.core.clock import Clock, SystemClock
from headrace.core.config import Settings
from headrace.core.database import open_database
from headrace.core.progress import Progress, SilentProgress
from headrace.data import TableStore
from headrace.packaging import Registry
from headrace.pipeline.models import registry_over
from headrace.pipeline.processes import ServerProcess
from headrace.pipeline.project import Project
from headrace.pipeline.stage import StageRecord
from headrace.pipeline.workspace import Workspace


@dataclass
class RunContext:
    """One run of a project.

    Attributes:
        project: what the user declared.
        folder: the project's folder.
        workspace: where results go.
        settings: threads and log form.
        progress: where stages report.
        clock: wall and monotonic time.
        override: why gates that fail shall not stop the run; empty: they stop it.
        records: finished stages of this run by name, skipped ones included.
    """

    project: Project
    folder: Path
    workspace: Workspace
    settings: Settings
    progress: Progress = field(default_factory=SilentProgress)
    clock: Clock = field(default_factory=SystemClock)
    override: str = ""
    records: dict[str, StageRecord] = field(default_factory=dict)
    _server: ServerProcess | None = field(default=None, init=False)

    @cached_property
    def store(self) -> TableStore:
        """The project's tables."""
        return TableStore(self.workspace.tables)

    @cached_property
    def database(self) -> sa.Engine:
        """Registry and ledger."""
        return open_database(self.workspace.database)

    @cached_property
    def registry(self) -> Registry:
        """The project's models."""
        return registry_over(self.database, self.workspace, clock=self.clock)

    def server(self) -> ServerProcess:
        """The run's server, started when first asked for and stopped when the run ends."""
        return self._server or self.restart_server(log=self.records["serve"].facts["prediction_log"])

    def restart_server(self, *, log: str) -> ServerProcess:
        """Stop the server where one runs, drain included, and start it anew.

        Args:
            log: name of the prediction log's folder.
        """
        self.stop_server()
        self._server = ServerProcess.start(
            f"{self.project.model.name}@champion",
            self.workspace,
            folder=self.workspace.exchange,
            predictions=self.workspace.predictions / log,
        )
        return self._server

    def stop_server(self) -> None:
        """Stop the server where one runs; what it logged is then on disk."""
        server, self._server = self._server, None
        if server is not None:
            server.stop()

    def close(self) -> None:
        """Stop what the run started and close what it opened."""
        self.stop_server()
        if "database" in self.__dict__:
            self.database.dispose()
