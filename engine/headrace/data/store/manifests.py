"""Snapshot manifests: several tables, the code and the settings under one digest, in a file that pins the versions."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headrace.core.errors import CorruptedError, NotFoundError
from headrace.core.files import write_atomic
from headrace.core.hashing import digest_json
from headrace.data.commit_log import read_log
from headrace.data.commits import writer_lock
from headrace.data.store.versions import Snapshot, TableVersion, check_present, find_commit

if TYPE_CHECKING:
    from headrace.data.store.tables import TableStore

FORMAT = 1
_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class SnapshotManifest:
    """What a result was computed from.

    Attributes:
        tables: versions by table.
        code: commit of the project's code; None: not under version control, or not told.
        settings: digest of the settings; None: not told.
        lineage: where each table's rows came from, JSON data by table; no part of the digest.
        created_at: ISO 8601, UTC; no part of the digest.
    """

    tables: Mapping[str, TableVersion]
    code: str | None
    settings: str | None
    lineage: Mapping[str, Any]
    created_at: str

    @property
    def digest(self) -> str:
        """One digest over the tables' names, versions and content, the code commit and the settings' digest."""
        tables = {name: [version.version, version.digest] for name, version in self.tables.items()}
        return digest_json({"tables": tables, "code": self.code, "settings": self.settings})

    def to_json(self) -> dict[str, Any]:
        """JSON data, as the file has it."""
        return {
            "format": FORMAT,
            "digest": self.digest,
            "tables": Snapshot(self.tables).to_json(),
            "code": self.code,
            "settings": self.settings,
            "lineage": dict(self.lineage),
            "created_at": self.created_at,
        }


def pin_snapshot(
    store: TableStore, versions: Mapping[str, int | None], *, code: str | None = None, settings: str | None = None
) -> SnapshotManifest:
    """Pin versions of tables (None: the newest) in a manifest of the store; they are not vacuumed while it is there.

    The same content pinned again gives the manifest that is there.

    Raises:
        NotFoundError: no such table or version, or one that was vacuumed.
    """
    for name in versions:
        store.latest(name)
    with writer_lock(*(store.root / name for name in versions)):  # no vacuum between the look and the pin
        tables, lineage = {}, {}
        for name, version in sorted(versions.items()):
            log = read_log(store.root / name)
            commit = find_commit(name, log, version, None)
            check_present(name, log, commit)
            tables[name] = TableVersion(name, commit.version, commit.digest, commit.rows)
            lineage[name] = commit.lineage
        manifest = SnapshotManifest(
            tables, code, settings, lineage, datetime.now(UTC).isoformat(timespec="milliseconds")
        )
        file = manifest_file(store.root, manifest.digest)
        if file.is_file():
            return read_manifest(file)
        write_atomic(file, json.dumps(manifest.to_json(), indent=2).encode())
    return manifest


def read_manifest(file: Path) -> SnapshotManifest:
    """Read a manifest and check it against its own digest.

    Raises:
        NotFoundError: there is no such file.
        CorruptedError: it does not say what it said when it was written, or has a newer format.
    """
    try:
        told = json.loads(file.read_text())
        if told["format"] > FORMAT:
            raise CorruptedError(
                f"snapshot {file} has format {told['format']}; this release reads up to {FORMAT}",
                hint="upgrade headrace",
            )
        tables = {name: TableVersion(**version) for name, version in told["tables"].items()}
        manifest = SnapshotManifest(tables, told["code"], told["settings"], told["lineage"], told["created_at"])
        digest = told["digest"]
    except FileNotFoundError as error:
        raise NotFoundError(f"there is no snapshot {file}") from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise CorruptedError(f"snapshot {file} cannot be read: {error}") from error
    if manifest.digest != digest:
        raise CorruptedError(
            f"snapshot {file} was altered: it has digest {manifest.digest[:8]}, written as {digest[:8]}"
        )
    return manifest


def find_manifest(root: Path, digest: str) -> SnapshotManifest:
    """A manifest of the store by its digest, or by the beginning of it where that is clear.

    Raises:
        NotFoundError: none, or more than one.
    """
    known = [file.stem for file in _files(root)]
    found = [name for name in known if name.startswith(digest)] if digest else []
    if len(found) != 1:
        what = "no snapshot" if not found else f"{len(found)} snapshots that begin with"
        raise NotFoundError(
            f"there is {what} '{digest}' in {root}; there are: {', '.join(name[:8] for name in known) or 'none'}"
        )
    return read_manifest(manifest_file(root, found[0]))


def manifests(root: Path) -> Iterator[SnapshotManifest]:
    """Every manifest of the store, in the order of their digests.

    Raises:
        CorruptedError: one cannot be read: what it pins is not known.
    """
    return (read_manifest(file) for file in _files(root))


def verify_manifest(store: TableStore, manifest: SnapshotManifest, *, names: Sequence[str] | None = None) -> int:
    """Read what a manifest pins, all of it, against its digests.

    Args:
        store: the tables.
        manifest: what they are held against.
        names: these tables alone.

    Returns:
        rows that were read.

    Raises:
        CorruptedError: a version holds something else than what was pinned.
        NotFoundError: a table or version is not there any more.
    """
    rows = 0
    for name in names if names is not None else manifest.tables:
        pinned = manifest.tables[name]
        found = store.find(name, version=pinned.version)
        if found != pinned:
            raise CorruptedError(
                f"table '{name}' version {pinned.version} has digest {found.digest[:8]}, "
                f"snapshot {manifest.digest[:8]} pins {pinned.digest[:8]}"
            )
        rows += sum(batch.num_rows for batch in store.scan(name, version=pinned.version))
    return rows


def manifest_file(root: Path, digest: str) -> Path:
    """Where a manifest is: out of the way of tables' folders."""
    return root / ".snapshots" / f"{digest}.json"


def _files(root: Path) -> list[Path]:
    return sorted(file for file in (root / ".snapshots").glob("*.json") if _DIGEST.fullmatch(file.stem))
