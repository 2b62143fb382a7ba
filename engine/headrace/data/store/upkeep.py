"""Compaction, vacuum and restore: what changes files, or brings old content back, and never what a version holds."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from headrace.data.commit_facts import Commit, Facts, Place, Places
from headrace.data.commit_log import TableLog, read_log
from headrace.data.commits import Plan, commit, writer_lock
from headrace.data.digests import PART_ROWS
from headrace.data.staging import Staging, staging
from headrace.data.store.parts import renamed
from headrace.data.store.rewriting import Unit, reading, units
from headrace.data.store.versions import TableVersion, check_present, find_commit, table_version

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class Compaction:
    """What a compaction did.

    Attributes:
        before: files of the newest version before.
        after: files of the newest version now.
        rows: rows that were written again.
    """

    before: int
    after: int
    rows: int


@dataclass(frozen=True)
class Vacuum:
    """What a vacuum removes, or would.

    Attributes:
        versions: those that can no longer be read.
        kept: those that can, each with the reasons.
        files: names of the deleted files.
        size_bytes: their size.
    """

    versions: tuple[int, ...]
    kept: Mapping[int, tuple[str, ...]]
    files: tuple[str, ...]
    size_bytes: int


def compact(path: Path, *, rows: int = PART_ROWS) -> Compaction:
    """Join neighbouring small files of the newest version up to `rows` rows each.

    Files are written before the table's lock is taken, so writers go on meanwhile. What they changed is left out.
    """
    log = read_log(path)
    newest = log.newest
    assert newest is not None, "the caller looked the table up"
    told = {"rows": 0, "before": 0, "after": 0}
    with staging(path) as staged:
        joined = [(group, *_join(log, newest, group, staged)) for group in _groups(log, newest, rows)]

        def plan(now: TableLog) -> Plan | None:
            current = now.newest
            assert current is not None, "a table keeps its versions"
            files = set(now.files(current))
            told["before"] = told["after"] = len(files)
            present = {part.name for part in current.parts}
            moved: dict[str, Places] = {}
            for group, places, file in joined:
                old = {file for unit in group for file in unit.files}
                if old <= files and all(name in present and now.places[name] == log.places[name] for name in places):
                    moved |= places
                    files = files - old | {file}
            if not moved:
                return None
            told["after"] = len(files)
            told["rows"] = sum(part.rows for part in current.parts if part.name in moved)
            facts = Facts("compact", f"compact:{uuid.uuid4().hex}", moved=moved)
            return Plan(facts, frozenset(files), current.dtypes, is_upkeep=True)

        commit(path, "", staged, plan)
    return Compaction(told["before"], told["after"], told["rows"])


def _groups(log: TableLog, newest: Commit, rows: int) -> list[list[Unit]]:
    """Neighbours that are to become one file: several, or one that lacks columns that came later."""
    groups: list[list[Unit]] = [[]]
    for unit in units(log, newest):
        if groups[-1] and sum(other.rows for other in groups[-1]) + unit.rows > rows:
            groups.append([])
        groups[-1].append(unit)

    def is_due(group: list[Unit]) -> bool:
        lacks = any(part.rows and len(part.columns) < len(newest.dtypes) for unit in group for part in unit.parts)
        return len({file for unit in group for file in unit.files}) > 1 or (lacks and not _is_whole(log, group, newest))

    return [group for group in groups if is_due(group)]


def _is_whole(log: TableLog, group: list[Unit], newest: Commit) -> bool:
    """Whether the group's files hold every column already, if only as nulls."""
    import pyarrow.parquet as pq

    files = {file for unit in group for file in unit.files}
    return all(set(newest.dtypes) <= set(pq.read_schema(log.path / file).names) for file in files)


def _join(log: TableLog, newest: Commit, group: list[Unit], staged: Staging) -> tuple[dict[str, Places], str]:
    import pyarrow as pa

    parts = [part for unit in group for part in unit.parts]
    tables = list(reading(log, newest, parts).tables())
    file = staged.store(pa.concat_tables(tables))
    return _places(zip((part.name for part in parts), tables, strict=True), file), file


def _places(named: zip[tuple[str, pa.Table]], file: str) -> dict[str, Places]:
    places: dict[str, Places] = {}
    begin = 0
    for name, table in named:
        places[name] = (Place(file, begin, table.num_rows),) if table.num_rows else ()
        begin += table.num_rows
    return places


def restore(path: Path, version: int | None, at: datetime | None, transaction: str) -> TableVersion:
    """Make an old version's content the newest one again; its parts are named, not copied."""

    def plan(log: TableLog) -> Plan:
        old = find_commit(path.name, log, version, at)
        check_present(path.name, log, old)
        newest = log.newest
        assert newest is not None, "the version was found"
        moved: dict[str, Places] = {}
        files: set[str] = set()
        for unit in units(log, old):
            if sum(log.file_stats[file].rows for file in unit.files) == unit.rows:
                files |= unit.files
            else:  # they hold rows of other versions as well, which would come back with them
                places, file = _join(log, old, [unit], staged)
                moved |= places
                files.add(file)
        if list(old.dtypes.items()) != list(newest.dtypes.items()):
            stay = [part for part in old.parts if part.name not in moved]
            again = renamed(log, stay, files & log.live, staged)
            moved |= again
            files = files - log.live | {place.file for places in again.values() for place in places}
        facts = Facts(
            "restore",
            transaction,
            digest=old.digest,
            rows=old.rows,
            dtypes=old.dtypes,
            base=old.version,
            moved=moved,
            details={"version": old.version},
            lineage=old.lineage,
        )
        return Plan(facts, frozenset(files), old.dtypes)

    with staging(path) as staged:
        made = commit(path, transaction, staged, plan)
    assert made is not None, "a version was planned"
    return table_version(path.name, made)


Pins = Callable[[], Mapping[int, tuple[str, ...]]]


def vacuum(path: Path, *, pins: Pins, keep: timedelta, now: datetime, is_dry: bool) -> Vacuum:
    """Delete the files of versions that are old and that nothing pins.

    The log says first which versions are gone; a kill behind that leaves files that the next writer sweeps. Pins are
    asked for under the table's lock, under which they are also set.
    """
    if is_dry:
        with writer_lock(path):
            return _survey(path, read_log(path), pins, keep, now)
    found: list[Vacuum] = []

    def plan(log: TableLog) -> Plan | None:
        found[:] = [_survey(path, log, pins, keep, now)]
        newest = log.newest
        assert newest is not None, "the caller looked the table up"
        if not found[0].files:
            return None
        facts = Facts("vacuum", f"vacuum:{uuid.uuid4().hex}", gone=found[0].versions)
        return Plan(facts, frozenset(log.live), newest.dtypes, is_upkeep=True)

    with staging(path) as staged:
        commit(path, "", staged, plan)
    with writer_lock(path):  # sweeps
        return found[0]


def _survey(path: Path, log: TableLog, pins: Pins, keep: timedelta, now: datetime) -> Vacuum:
    kept = _kept(log, pins(), keep, now)
    gone = {one.version for one in log.commits if one.version not in kept} - log.gone
    needed = log.needed_files(log.gone | gone)
    sizes = {
        name: (path / name).stat().st_size for name in log.file_stats if name not in needed and (path / name).exists()
    }
    return Vacuum(tuple(sorted(gone)), kept, tuple(sorted(sizes)), sum(sizes.values()))


def _kept(
    log: TableLog, pins: Mapping[int, tuple[str, ...]], keep: timedelta, now: datetime
) -> dict[int, tuple[str, ...]]:
    kept = {}
    for one, successor in zip(log.commits, [*log.commits[1:], None], strict=True):
        reasons = [*pins.get(one.version, ())]
        if successor is None:
            reasons.append("newest")
        elif successor.at > now - keep:
            reasons.append(f"current within the last {keep}")
        if reasons and one.version not in log.gone:
            kept[one.version] = tuple(reasons)
    return kept
