"""What a table's Delta log says: its versions, and the files that each one names.

Read from the log's own JSON files (one a version, named by its number, put in place whole) and not through deltalake:
its `history()` counts versions back from the newest one, and is off by one where another writer commits meanwhile.
Reference: Delta transaction log protocol, sections "Delta Log Entries" and "Actions".
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from headrace.core.errors import CorruptedError

METADATA_KEY = "headrace"
MAINTENANCE = ("OPTIMIZE", "VACUUM START", "VACUUM END", "SET TBLPROPERTIES")
_ENTRY = re.compile(r"[0-9]{20}\.json")


@dataclass(frozen=True)
class Commit:
    """One version of a table, as its commit describes it.

    Attributes:
        version: counts from 0.
        transaction: the id it was written under.
        digest: of the whole content.
        rows: number of rows.
        columns: digest of each column, in column order.
        dtypes: vocabulary type of each column.
        files: names of its Parquet files in the table's folder, in row order: one writer numbers its parts.
    """

    version: int
    transaction: str
    digest: str
    rows: int
    columns: Mapping[str, str]
    dtypes: Mapping[str, str]
    files: tuple[str, ...]


def read_commits(path: Path) -> list[Commit]:
    """Versions of the table in a folder, oldest first; empty where there is no (whole) table.

    Raises:
        CorruptedError: the log has a gap or cannot be read, or another program wrote to the table.
    """
    commits = (_commit(path, version, actions) for version, actions in _entries(path))
    return [commit for commit in commits if commit is not None]


def named_files(path: Path) -> set[str] | None:
    """Every data file that some version of the table names; None where the log does not begin with version 0.

    Raises:
        CorruptedError: the log cannot be read.
    """
    try:
        return {name for _, actions in _entries(path) for name in _added(actions)}
    except CorruptedError:
        if (path / "_delta_log" / f"{0:020d}.json").exists():
            raise
        return None


def entry_path(path: Path, version: int) -> Path:
    """The log file of a version."""
    return path / "_delta_log" / f"{version:020d}.json"


def _entries(path: Path) -> Iterator[tuple[int, list[dict[str, Any]]]]:
    log = path / "_delta_log"
    found = sorted(file for file in log.iterdir() if _ENTRY.fullmatch(file.name)) if log.is_dir() else []
    for version, file in enumerate(found):
        if int(file.stem) != version:
            raise CorruptedError(f"the log of table folder {path} lacks version {version}")
        try:
            yield version, [json.loads(line) for line in file.read_bytes().split(b"\n") if line]
        except (OSError, ValueError) as error:
            raise CorruptedError(f"the log of table folder {path} cannot be read: {file.name}: {error}") from error


def _added(actions: list[dict[str, Any]]) -> list[str]:
    return [unquote(action["add"]["path"]) for action in actions if "add" in action]


def _commit(path: Path, version: int, actions: list[dict[str, Any]]) -> Commit | None:
    """The version that an entry makes; None for maintenance, which changes no content."""
    info: dict[str, Any] = next((action["commitInfo"] for action in actions if "commitInfo" in action), {})
    if info.get("operation") in MAINTENANCE:
        return None
    if METADATA_KEY not in info:
        raise CorruptedError(
            f"version {version} of {path} was not written by Headrace, so nothing vouches for its content",
            hint="write through TableStore; other programs may read the folder, not write to it",
        )
    try:
        facts = json.loads(info[METADATA_KEY])
        return Commit(
            version=version,
            transaction=facts["transaction"],
            digest=facts["digest"],
            rows=facts["rows"],
            columns={name: digest for name, _, digest in facts["columns"]},
            dtypes={name: dtype for name, dtype, _ in facts["columns"]},
            files=tuple(sorted(_added(actions))),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise CorruptedError(f"version {version} of {path} does not say what it holds: {error}") from error
