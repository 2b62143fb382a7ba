"""What a commit says of itself: which parts the version has, where their rows lie, and how it came to be.

It travels in the commit's own metadata, so that it is there exactly when the version is. A version is a sequence of
parts: a commit names the version it starts from, what it changes and adds, and so costs what it writes. Parts never
change; where their rows lie does (`moved`), because compaction and rewriting a file move rows that stay as they were.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from headrace.core.errors import CorruptedError
from headrace.data.digests import PartDigest
from headrace.data.file_stats import FileStats

METADATA_KEY = "headrace"
FORMAT = 2


@dataclass(frozen=True)
class Place:
    """Consecutive rows of a data file.

    Attributes:
        file: its name in the table's folder.
        first: row of the file, from 0.
        rows: number of rows.
    """

    file: str
    first: int
    rows: int


Places = tuple[Place, ...]


@dataclass(frozen=True)
class Part:
    """Rows that were written together; the unit that is digested.

    Attributes:
        name: unique within the table.
        rows: number of rows.
        dtypes: vocabulary type of each column the part has, in column order.
        columns: digest of each of these columns.
    """

    name: str
    rows: int
    dtypes: Mapping[str, str]
    columns: Mapping[str, str]

    @property
    def digest(self) -> str:
        """Digest of the part."""
        return PartDigest(self.rows, self.columns).value


@dataclass(frozen=True)
class NewPart:
    """A part that a commit brings: its name follows from the version the commit gets."""

    rows: int
    dtypes: Mapping[str, str]
    columns: Mapping[str, str]
    places: Places

    @property
    def digest(self) -> str:
        """Digest of the part."""
        return PartDigest(self.rows, self.columns).value


@dataclass(frozen=True, eq=False)
class Commit:
    """One version of a table.

    Attributes:
        version: counts from 0; maintenance takes numbers too, and makes no version.
        transaction: the id it was written under.
        operation: what made it: write, append, upsert, overwrite, restore.
        at: when, by the clock of who wrote it, UTC.
        digest: of the whole content.
        rows: number of rows.
        dtypes: vocabulary type of each column, in column order.
        base: the version whose parts it starts from; None starts from nothing.
        changed: parts of the base by their place in its sequence; None is a part that is gone.
        added: parts behind those of the base.
        details: what the operation was given, JSON data (keys, where, version).
        lineage: where its rows came from, JSON data; None: not told.
    """

    version: int
    transaction: str
    operation: str
    at: datetime
    digest: str
    rows: int
    dtypes: Mapping[str, str]
    base: Commit | None = field(repr=False)
    changed: Mapping[int, Part | None] = field(repr=False)
    added: tuple[Part, ...] = field(repr=False)
    details: Mapping[str, Any]
    lineage: Mapping[str, Any] | None

    @property
    def parts(self) -> list[Part]:
        """All parts, in row order."""
        steps = []
        step: Commit | None = self
        while step is not None:
            steps.append(step)
            step = step.base
        parts: list[Part | None] = []
        for step in reversed(steps):
            for at, part in step.changed.items():
                parts[at] = part
            if step.changed:
                parts = [part for part in parts if part is not None]
            parts.extend(step.added)
        return [part for part in parts if part is not None]


@dataclass(frozen=True)
class Facts:
    """What a commit is told to say; names and meaning as in `Commit`.

    Attributes:
        moved: where parts that stay lie from now on, by their names.
        gone: versions that this vacuum removes.
    """

    operation: str
    transaction: str
    digest: str | None = None
    rows: int = 0
    dtypes: Mapping[str, str] | None = None
    base: int | None = None
    changed: Mapping[int, NewPart | None] = field(default_factory=dict)
    added: Sequence[NewPart] = ()
    moved: Mapping[str, Places] = field(default_factory=dict)
    details: Mapping[str, Any] | None = None
    lineage: Mapping[str, Any] | None = None
    gone: Sequence[int] = ()

    def to_json(self) -> dict[str, Any]:
        """JSON data as the log has it; maintenance has no digest and no columns."""
        return {
            "format": FORMAT,
            "operation": self.operation,
            "transaction": self.transaction,
            "digest": self.digest,
            "rows": self.rows,
            "columns": [list(item) for item in self.dtypes.items()] if self.dtypes is not None else None,
            "base": self.base,
            "changed": {str(at): _part_json(part) if part else None for at, part in self.changed.items()},
            "added": [_part_json(part) for part in self.added],
            "moved": {name: _places_json(places) for name, places in self.moved.items()},
            "details": self.details,
            "lineage": self.lineage,
            "gone": list(self.gone),
        }


def _part_json(part: NewPart) -> dict[str, Any]:
    columns = [[name, part.dtypes[name], digest] for name, digest in part.columns.items()]
    return {"rows": part.rows, "columns": columns, "places": _places_json(part.places)}


def _places_json(places: Places) -> list[list[Any]]:
    return [[place.file, place.first, place.rows] for place in places]


def places_of(told: Sequence[Sequence[Any]]) -> Places:
    """Places as a commit tells them."""
    return tuple(Place(file, first, rows) for file, first, rows in told)


class FactsReader:
    """Reads one commit's facts, of every format that was ever written.

    Attributes:
        commit: the version, None for maintenance.
        places: of its new parts and of those it moved.
    """

    def __init__(
        self, version: int, facts: Mapping[str, Any], info: Mapping[str, Any], files: Mapping[str, FileStats]
    ) -> None:
        self._version = version
        self._files = files
        self._count = 0
        self.facts = facts
        self.at = datetime.fromtimestamp(info.get("timestamp", 0) / 1000, UTC)
        self.places: dict[str, Places] = {}

    def commit(self, versions: Mapping[int, Commit]) -> Commit | None:
        """The version, given those before it.

        Raises:
            KeyError, ValueError, TypeError: the facts are not what a commit says.
            CorruptedError: they were written by a newer release.
        """
        facts = self.facts
        if facts.get("format", 1) > FORMAT:
            raise CorruptedError(
                f"version {self._version} has format {facts['format']}; this release reads up to {FORMAT}",
                hint="upgrade headrace",
            )
        if "format" not in facts:
            return self._first_format()
        self.places.update({name: places_of(told) for name, told in facts["moved"].items()})
        if facts["columns"] is None:
            return None
        base = versions[facts["base"]] if facts["base"] is not None else None
        changed = {int(at): self._part(told) if told else None for at, told in facts["changed"].items()}
        added = tuple(self._part(told) for told in facts["added"])
        return Commit(
            version=self._version,
            transaction=facts["transaction"],
            operation=facts["operation"],
            at=self.at,
            digest=facts["digest"],
            rows=facts["rows"],
            dtypes=dict(facts["columns"]),
            base=base,
            changed=changed,
            added=added,
            details=facts.get("details") or {},
            lineage=facts.get("lineage"),
        )

    def _part(self, told: Mapping[str, Any]) -> Part:
        name = f"{self._version}.{self._count}"
        self._count += 1
        self.places[name] = places_of(told["places"])
        dtypes = {column: dtype for column, dtype, _ in told["columns"]}
        return Part(name, told["rows"], dtypes, {column: digest for column, _, digest in told["columns"]})

    def _first_format(self) -> Commit:
        """One part a version, over all of its files in the order of their names: what releases up to 0.1 wrote."""
        facts = self.facts
        columns = [[name, dtype, digest] for name, dtype, digest in facts["columns"]]
        files = [[file, 0, self._files[file].rows] for file in sorted(self._files)]
        part = self._part({"rows": facts["rows"], "columns": columns, "places": files})
        return Commit(
            version=self._version,
            transaction=facts["transaction"],
            operation="write",
            at=self.at,
            digest=facts["digest"],
            rows=facts["rows"],
            dtypes=part.dtypes,
            base=None,
            changed={},
            added=(part,),
            details={},
            lineage=None,
        )


def walk_files(places: Iterator[Places]) -> Iterator[str]:
    """Names of the files in which these places lie, each once, in order."""
    seen: set[str] = set()
    for group in places:
        for place in group:
            if place.file not in seen:
                seen.add(place.file)
                yield place.file
