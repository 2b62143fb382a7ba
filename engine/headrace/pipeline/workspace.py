"""Where a project's run keeps what it makes: one folder, the same names everywhere."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from headrace.core.config import Settings


@dataclass(frozen=True)
class Workspace:
    """The folder behind `--home`: tables, features, models, packages, the database, predictions, reports.

    Attributes:
        home: the folder; everything is inside it, unless settings name another place for models.
        registry: database of registry and ledger, a file or a URI; None: in `home`. May hold a password.
        packages: store of packages, a folder or a URI; None: in `home`.
        trusted_keys: public keys, one of which must have signed what is loaded; none: no signature is asked for.
        signing_key: private key that signs what is registered; None: nothing is signed.
    """

    home: Path
    registry: str | None = field(default=None, repr=False)
    packages: str | None = None
    trusted_keys: tuple[Path, ...] = ()
    signing_key: Path | None = None

    @classmethod
    def of(cls, settings: Settings) -> Workspace:
        """The workspace that settings name."""
        return cls(settings.home, settings.registry, settings.packages, settings.trusted_keys, settings.signing_key)

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
    def database(self) -> Path | str:
        """Registry and release ledger: a file, or a URI."""
        return self.registry or self.home / "registry.db"

    @property
    def store(self) -> Path | str:
        """Packages: the folder that holds `packages/`, or a URI."""
        return self.packages or self.home

    @property
    def model_files(self) -> list[Path]:
        """Of the places of models, those on the local disk."""
        files = [self.database, self.packages or self.home / "packages"]
        return [file for file in files if isinstance(file, Path)]

    @property
    def model_places(self) -> dict[str, str]:
        """The places of models that settings name, without passwords."""
        from headrace.core.database import redacted  # help texts of commands need a workspace, but no database

        named = {"registry": redacted(self.registry) if self.registry else None, "packages": self.packages}
        return {what: place for what, place in named.items() if place}

    @property
    def package_cache(self) -> Path:
        """Packages of an object store, once they were loaded here."""
        return self.home / "package-cache"

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
