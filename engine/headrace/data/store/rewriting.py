"""Rewriting files in place: rows that change get new parts, rows that stay keep theirs and only move.

Delta counts whole files, so a file is the unit: where one row changes, its file is written anew. What an upsert, the
overwrite of a partition and a widened column have in common is here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from headrace.data.commit_facts import Commit, NewPart, Part, Place, Places
from headrace.data.digests import digest_part
from headrace.data.file_stats import FileStats
from headrace.data.staging import Staging
from headrace.data.store.evolution import Evolution
from headrace.data.store.reading import PartsToRead
from headrace.data.types import arrow_type, conform

if TYPE_CHECKING:
    import pyarrow as pa

    from headrace.data.commit_log import TableLog


@dataclass
class Unit:
    """Consecutive parts that share files with each other and with no other part of their version.

    Attributes:
        first: place of its first part in the version's sequence.
        parts: its parts.
        files: their files.
    """

    first: int
    parts: list[Part]
    files: set[str]

    @property
    def rows(self) -> int:
        """Rows of its parts."""
        return sum(part.rows for part in self.parts)


@dataclass
class Rewritten:
    """What rewriting did to a version.

    Attributes:
        changed: new parts by place in the version's sequence; None is a part that is gone.
        moved: parts that stay, and lie elsewhere now.
        kept: files that stay.
        new: files that were written.
    """

    changed: dict[int, NewPart | None] = field(default_factory=dict)
    moved: dict[str, Places] = field(default_factory=dict)
    kept: set[str] = field(default_factory=set)
    new: set[str] = field(default_factory=set)


def units(log: TableLog, commit: Commit) -> Iterator[Unit]:
    """The version's parts, grouped by the files that they share."""
    unit: Unit | None = None
    for at, part in enumerate(commit.parts):
        files = {place.file for place in log.places[part.name]}
        if unit is not None and (files & unit.files or not files):
            unit.parts.append(part)
            unit.files |= files
            continue
        if unit is not None:
            yield unit
        unit = Unit(at, [part], files)
    if unit is not None:
        yield unit


def reading(log: TableLog, commit: Commit, parts: list[Part], dtypes: dict[str, str] | None = None) -> PartsToRead:
    """Parts of a version, to be read with all columns or with some."""
    title = f"table '{log.path.name}' version {commit.version}"
    return PartsToRead(title, log, parts, dtypes or dict(commit.dtypes))


@dataclass(frozen=True)
class Change:
    """Which rows change, and how.

    Attributes:
        columns: what `decide` is given of each part.
        may_concern: whether a file may hold rows that change; others are not read.
        decide: what to do with a part; None leaves it as it is, and where all of a file's parts are left, the file too.
        apply: given the part with all columns and the decision, its rows from now on.
    """

    columns: Sequence[str]
    may_concern: Callable[[FileStats], bool]
    decide: Callable[[pa.Table], Any]
    apply: Callable[[pa.Table, Any], pa.Table]


def rewrite(log: TableLog, commit: Commit, change: Change, staged: Staging) -> Rewritten:
    """Change rows of a version; memory of one file's rows."""
    done = Rewritten()
    some = {name: commit.dtypes[name] for name in change.columns}
    for unit in units(log, commit):
        if not any(change.may_concern(log.file_stats[file]) for file in unit.files):
            done.kept |= unit.files
            continue
        decisions = [change.decide(table) for table in reading(log, commit, unit.parts, some).tables()]
        if all(decision is None for decision in decisions):
            done.kept |= unit.files
            continue
        tables = []
        for decision, table in zip(decisions, reading(log, commit, unit.parts).tables(), strict=True):
            tables.append((table, False) if decision is None else (change.apply(table, decision), True))
        _rewrite_unit(unit, tables, commit.dtypes, done, staged)
    return done


def _rewrite_unit(
    unit: Unit, tables: list[tuple[pa.Table, bool]], dtypes: Mapping[str, str], done: Rewritten, staged: Staging
) -> None:
    import pyarrow as pa

    digests = [digest_part(table) if changed else None for table, changed in tables]
    same = [found is None or found.columns == part.columns for found, part in zip(digests, unit.parts, strict=True)]
    if all(same):
        done.kept |= unit.files
        return
    present = [table for table, _ in tables if table.num_rows]
    file = staged.store(pa.concat_tables(present)) if present else ""
    done.new |= {file} if file else set()
    begin = 0
    for at, (part, (table, _)) in enumerate(zip(unit.parts, tables, strict=True), unit.first):
        places = (Place(file, begin, table.num_rows),) if table.num_rows else ()
        begin += table.num_rows
        found = digests[at - unit.first]
        if same[at - unit.first]:
            done.moved[part.name] = places
        elif found is not None and table.num_rows:
            done.changed[at] = NewPart(found.rows, dict(dtypes), found.columns, places)
        else:
            done.changed[at] = None


def rewrite_all(log: TableLog, commit: Commit, change: Evolution, staged: Staging) -> list[NewPart]:
    """Write every part anew with wider columns; each is a new part.

    Raises:
        DefinitionError: an integer is too large for float64 to hold it exactly.
    """
    import pyarrow as pa

    after = []
    for unit in units(log, commit):
        tables = [_evolved(table, change) for table in reading(log, commit, unit.parts).tables()]
        file = staged.store(pa.concat_tables(tables))
        begin = 0
        for part, table in zip(unit.parts, tables, strict=True):
            columns = digest_part(table).columns
            after.append(NewPart(part.rows, dict(change.dtypes), columns, (Place(file, begin, part.rows),)))
            begin += part.rows
    return after


def _evolved(table: pa.Table, change: Evolution) -> pa.Table:
    import pyarrow as pa

    for name in change.new:
        table = table.append_column(name, pa.nulls(table.num_rows, arrow_type(change.dtypes[name])))
    return conform(table, change.dtypes)
