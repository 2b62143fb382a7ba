"""What a table's Delta log says: its versions, where their rows lie, and which files are Delta's.

Read from the log's own JSON files (one a version, named by its number, put in place whole) and not through deltalake:
its `history()` counts versions back from the newest one, and is off by one where another writer commits meanwhile.
What was read is kept, and only what is new is read at the next look.
Reference: Delta transaction log protocol, sections "Delta Log Entries" and "Actions".
"""

from __future__ import annotations

import json
import os
import re
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from headrace.core.errors import CorruptedError
from headrace.data.commit_facts import METADATA_KEY, Commit, FactsReader, Part, Places, walk_files
from headrace.data.file_stats import FileStats, stats_of_action

MAINTENANCE = ("OPTIMIZE", "VACUUM START", "VACUUM END", "SET TBLPROPERTIES")
_ENTRY = re.compile(r"[0-9]{20}\.json")
_KEPT_LOGS = 32
_Signature = tuple[int, int, int]


@dataclass
class TableLog:
    """A table's log, read to its end.

    Attributes:
        path: the table's folder.
        entries: commits of Delta, maintenance included; the next one gets this number.
        commits: versions, oldest first, those whose files were vacuumed included.
        upkeep: compactions and vacuums, oldest first: what their commits say.
        places: where the rows of each part lie, by its name.
        live: files that make up the newest version for other readers of Delta.
        file_stats: of every file that is kept, by its name: of live ones, and of all that a version may need.
        gone: versions whose files were vacuumed.
    """

    path: Path
    entries: int = 0
    commits: list[Commit] = field(default_factory=list)
    upkeep: list[tuple[int, FactsReader]] = field(default_factory=list)
    places: dict[str, Places] = field(default_factory=dict)
    live: set[str] = field(default_factory=set)
    file_stats: dict[str, FileStats] = field(default_factory=dict)
    gone: set[int] = field(default_factory=set)
    by_version: dict[int, Commit] = field(default_factory=dict)
    by_transaction: dict[str, Commit] = field(default_factory=dict)

    @property
    def newest(self) -> Commit | None:
        """The newest version, if there is one."""
        return self.commits[-1] if self.commits else None

    def has_content_of(self, other: TableLog) -> bool:
        """Whether nothing came since but commits of maintenance that moved no file: a plan made there holds here."""
        return (
            len(self.commits) == len(other.commits)
            and len(self.upkeep) == len(other.upkeep)
            and self.live == other.live
            and (not self.commits or self.commits[-1].digest == other.commits[-1].digest)
        )

    def files(self, commit: Commit) -> tuple[str, ...]:
        """Files in which a version's rows lie, in row order; they may hold rows of other versions too."""
        return tuple(walk_files(self.places[part.name] for part in commit.parts))

    def needed_files(self, gone: set[int]) -> set[str]:
        """Files that the versions which are not gone lie in, and those that are live."""
        parts: dict[str, Part] = {}
        for commit in self.commits:
            if commit.version not in gone:
                parts.update((part.name, part) for part in commit.parts)
        return set(walk_files(self.places[name] for name in parts)) | self.live

    def copy(self) -> TableLog:
        """The same, to be read on: what others hold stays as it is."""
        return TableLog(
            self.path,
            self.entries,
            list(self.commits),
            list(self.upkeep),
            dict(self.places),
            set(self.live),
            dict(self.file_stats),
            set(self.gone),
            dict(self.by_version),
            dict(self.by_transaction),
        )

    def add(self, version: int, actions: list[dict[str, Any]]) -> None:
        """Take in the next entry.

        Raises:
            CorruptedError: it was written by another program, or does not say what it holds.
        """
        added = {
            unquote(action["add"]["path"]): stats_of_action(action["add"]) for action in actions if "add" in action
        }
        self.live -= {unquote(action["remove"]["path"]) for action in actions if "remove" in action}
        self.live |= added.keys()
        self.file_stats |= added
        self.entries = version + 1
        info: dict[str, Any] = next((action["commitInfo"] for action in actions if "commitInfo" in action), {})
        if info.get("operation") in MAINTENANCE:
            return
        if METADATA_KEY not in info:
            raise CorruptedError(
                f"version {version} of {self.path} was not written by Headrace, so nothing vouches for its content",
                hint="write through TableStore; other programs may read the folder, not write to it",
            )
        try:
            reader = FactsReader(version, json.loads(info[METADATA_KEY]), info, added)
            commit = reader.commit(self.by_version)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise CorruptedError(f"version {version} of {self.path} does not say what it holds: {error}") from error
        self.places |= reader.places
        if commit is None:
            self._maintained(version, reader)
            return
        self.commits.append(commit)
        self.by_version[version] = commit
        self.by_transaction.setdefault(commit.transaction, commit)

    def _maintained(self, version: int, reader: FactsReader) -> None:
        self.upkeep.append((version, reader))
        if reader.facts["operation"] == "vacuum":
            self.gone |= set(reader.facts["gone"])
            needed = self.needed_files(self.gone)
            self.file_stats = {file: stats for file, stats in self.file_stats.items() if file in needed}


@dataclass(frozen=True)
class _Kept:
    """A log as it was read, by the names of its entries; the first and the last one tell a table that was made anew."""

    names: list[str]
    ends: list[_Signature]
    log: TableLog


_kept: dict[Path, _Kept] = {}
_keeping = threading.Lock()


def read_log(path: Path) -> TableLog:
    """Read the log of a table's folder; one without commits where there is no (whole) table.

    Complexity: one look at the folder, and reading the entries that are new since this process looked last.

    Raises:
        CorruptedError: the log has a gap or cannot be read, or another program wrote to the table.
    """
    names = _entry_names(path)
    with _keeping:
        kept = _kept.get(path)
    log = TableLog(path)
    if kept is not None and kept.names == names[: len(kept.names)] and kept.ends == _ends(path, kept.names):
        if len(kept.names) == len(names):
            return kept.log
        log = kept.log.copy()
    ends = _ends(path, names)
    for version, name in enumerate(names[log.entries :], log.entries):
        log.add(version, _read(path, version, name))
    with _keeping:
        _kept.pop(path, None)
        _kept[path] = _Kept(names, ends, log)
        while len(_kept) > _KEPT_LOGS:
            _kept.pop(next(iter(_kept)))
    return log


def read_commits(path: Path) -> list[Commit]:
    """Versions of the table in a folder, oldest first; empty where there is no (whole) table.

    Raises:
        CorruptedError: the log has a gap or cannot be read, or another program wrote to the table.
    """
    return read_log(path).commits


def entry_path(path: Path, version: int) -> Path:
    """The log file of a version."""
    return path / "_delta_log" / f"{version:020d}.json"


def begins_at_first_version(path: Path) -> bool:
    """Whether the log holds version 0; another program may have shortened it."""
    return entry_path(path, 0).exists()


def _entry_names(path: Path) -> list[str]:
    try:
        with os.scandir(path / "_delta_log") as items:
            return sorted(item.name for item in items if _ENTRY.fullmatch(item.name))
    except FileNotFoundError:
        return []


def _ends(path: Path, names: list[str]) -> list[_Signature]:
    try:
        found = [(path / "_delta_log" / name).stat() for name in (*names[:1], *names[-1:])]
    except FileNotFoundError:
        return []
    return [(about.st_mtime_ns, about.st_size, about.st_ino) for about in found]


def _read(path: Path, version: int, name: str) -> list[dict[str, Any]]:
    if int(name[:20]) != version:
        raise CorruptedError(f"the log of table folder {path} lacks version {version}")
    try:
        return [json.loads(line) for line in (path / "_delta_log" / name).read_bytes().split(b"\n") if line]
    except (OSError, ValueError) as error:
        raise CorruptedError(f"the log of table folder {path} cannot be read: {name}: {error}") from error
