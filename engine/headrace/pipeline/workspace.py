"""Where a project's run keeps what it makes: one folder, the same names everywhere."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Workspace:
    """The folder behind `--home`: tables, features, models, packages, the database, predictions, reports.

    Attributes:
        home: the folder; everything else is inside it.
    """

    home: Path

    @property
    def tables(self) -> Path:
        """Versioned tables."""
        return self.home / "tables"

    @property
    def features(self) -> Path:
        """The feature matrix of the last build and its plan."""
        return self.home / "features"

    @property
    def models(self) -> Path:
        """Trained models, before they are packaged."""
        return self.home / "models"

    @property
    def database(self) -> Path:
        """Registry and release ledger."""
        return self.home / "registry.db"

    @property
    def predictions(self) -> Path:
        """The prediction log's segments."""
        return self.home / "predictions"

    @property
    def exchange(self) -> Path:
        """Files that the client processes of a run read and write."""
        return self.home / "exchange"

    @property
    def project_file(self) -> Path:
        """Which project this home belongs to."""
        return self.home / "project.json"

    @property
    def alerts(self) -> Path:
        """Alerts raised by monitoring, append-only."""
        return self.home / "alerts.jsonl"

    @property
    def report(self) -> Path:
        """The report of the last run."""
        return self.home / "report.html"

    @property
    def summary(self) -> Path:
        """The figures of the last run, for scripts."""
        return self.home / "summary.json"

    def stage_record(self, stage: str) -> Path:
        """What a finished stage leaves: its inputs' digest, its facts, its seconds."""
        return self.home / "stages" / f"{stage}.json"
