"""What `headrace data validate` opens and keeps: a project's tables or files, their references, rows to replay."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from headrace.core.errors import CorruptedError, InvalidInputError, NotFoundError, SourceError, did_you_mean
from headrace.core.files import write_atomic
from headrace.core.progress import Progress, SilentProgress
from headrace.data import TableStore, TableVersion, ingest
from headrace.data.types import conform
from headrace.pipeline.project import Project
from headrace.validation import ForeignKey, Schema, Surroundings, replay
from headrace.validation.anomalies import TableReference, freeze
from headrace.validation.examination import Examination, Extent, examine

if TYPE_CHECKING:
    import pyarrow as pa

REFERENCES = "reference"
"""Folder beside the project file, one JSON file a table."""

_CSV: dict[str, Any] = {"null_values": ["", "NA"], "try_parse_dates": True, "infer_schema_length": 10_000}


@dataclass(frozen=True)
class Opened:
    """A table to be looked at.

    Attributes:
        name: of the table.
        table: its rows.
        schema: what it must be; None where none is declared.
        around: its file and line column, and the tables its foreign keys refer to.
    """

    name: str
    table: pa.Table
    schema: Schema | None
    around: Surroundings


@dataclass(frozen=True)
class Replayed:
    """What a replay did to one table.

    Attributes:
        name: of the table.
        passed: rows that were taken in.
        failing: rows that are still set aside.
        accepted: the new version that holds them; None where none passed.
    """

    name: str
    passed: int
    failing: int
    accepted: TableVersion | None


def open_project_tables(
    project: Project,
    store: TableStore,
    *,
    only: Sequence[str] = (),
    environment: Literal["training", "serving"] = "training",
    progress: Progress | None = None,
) -> list[Opened]:
    """Read a project's sources into the store where their content changed, and open the tables.

    Args:
        project: what is declared.
        store: where tables are kept.
        only: table names; empty: all.
        environment: as for `Surroundings`.
        progress: told each step.

    Raises:
        NotFoundError: `only` names a table that the project does not have.
        SourceError: a source cannot be read.
    """
    for name in only:
        if name not in project.sources:
            raise NotFoundError(f"the project has no table '{name}'", hint=did_you_mean(name, project.sources))
    names = list(only) or list(project.sources)
    needed = {*names, *(key for name in names for key in referred(project.schemas.get(name)))}
    for name, source in project.sources.items():
        if name in needed:
            ingest(source, store, name, progress=progress or SilentProgress())
    return [
        Opened(
            name,
            store.read(name),
            project.schemas.get(name),
            surroundings(store, project, name, environment=environment),
        )
        for name in names
    ]


def surroundings(
    store: TableStore,
    project: Project,
    name: str,
    *,
    file: str = "",
    environment: Literal["training", "serving"] = "training",
) -> Surroundings:
    """What a project's table is checked against beside its schema: the tables it refers to, its file, its lines."""
    source = project.sources[name]
    if not file:
        try:
            file = Path(str(source.locate())).name
        except (AttributeError, SourceError):
            file = ""  # a source without one file
    keys = {key: store.read(key) for key in referred(project.schemas.get(name)) if key in store.names()}
    return Surroundings(keys, environment, None, file, getattr(source, "line_column", None) or "")


def referred(schema: Schema | None) -> list[str]:
    """Tables that a schema's foreign keys refer to."""
    return sorted({rule.table for rule in schema.rules if isinstance(rule, ForeignKey)}) if schema is not None else []


def open_file(given: str, project: Project | None) -> Opened:
    """Open a table that is given as `NAME=FILE`.

    Raises:
        InvalidInputError: it is not written like that, or the file's ending is not known.
        SourceError: the file cannot be read.
        DefinitionError: a column has a type that tables do not hold.
    """
    import polars as pl

    name, _, file = given.partition("=")
    if not name or not file:
        raise InvalidInputError(f"--table '{given}' is not NAME=FILE", hint="--table flights=flights.parquet")
    path = Path(file)
    readers: dict[str, Any] = {".parquet": pl.read_parquet, ".arrow": pl.read_ipc, ".csv": pl.read_csv}
    reader = readers.get(path.suffix)
    if reader is None:
        raise InvalidInputError(f"{path} ends in none of {', '.join(readers)}")
    if not path.is_file():
        raise SourceError(f"there is no file {path}")
    try:
        frame = reader(path, **(_CSV if path.suffix == ".csv" else {}))
    except (pl.exceptions.PolarsError, OSError) as error:
        raise SourceError(f"{path} cannot be read: {error}") from error
    schema = project.schemas.get(name) if project is not None else None
    return Opened(name, conform(frame.to_arrow()), schema, Surroundings(source_file=path.name))


def read_references(folder: Path, names: Sequence[str]) -> dict[str, TableReference]:
    """Frozen references by table name; tables without one are left out.

    Raises:
        CorruptedError: a file does not hold a reference.
    """
    found = {}
    for name in names:
        path = folder / f"{name}.json"
        if path.is_file():
            try:
                found[name] = TableReference.from_json(json.loads(path.read_bytes()))
            except ValueError as error:
                raise CorruptedError(f"{path} is not JSON: {error}") from error
            except CorruptedError as error:
                raise CorruptedError(f"{path}: {error.message}", hint=error.hint) from error
    return found


def freeze_reference(opened: Opened, examined: Examination, folder: Path) -> Path:
    """Write the reference of a table's accepted rows, for a person to review and to keep with the project.

    Raises:
        InvalidInputError: the table has no rows.
    """
    table = examined.report.accepted if examined.report is not None else opened.table
    if not table.num_rows:
        raise InvalidInputError(f"table '{opened.name}' has no rows to freeze a reference of")
    kept = [name for name in table.column_names if name != opened.around.line_column]
    reference = freeze(table.select(kept), time_column=examined.time_column)
    path = folder / f"{opened.name}.json"
    text = json.dumps(reference.to_json(), indent=1, allow_nan=False, ensure_ascii=False) + "\n"
    write_atomic(path, text.encode())
    return path


def examine_tables(
    tables: Sequence[Opened], references: Mapping[str, TableReference], *, progress: Progress | None = None
) -> list[Examination]:
    """Look at every table in every way that is declared for it."""
    examined = []
    for opened in tables:
        with (progress or SilentProgress()).step(f"validate {opened.name}"):
            extent = Extent(references.get(opened.name))
            examined.append(examine(opened.name, opened.table, opened.schema, around=opened.around, extent=extent))
    return examined


def replay_rejected(store: TableStore, opened: Opened, fixed: pa.Table | None = None) -> Replayed:
    """Ask set-aside rows again and take in those that pass now, as new versions of both tables.

    Rows that pass are appended to `<table>_accepted` (or to the table itself where none was ever set aside from it),
    and only then leave `<table>_rejected`: interrupted between the two, a row is in both, and the next replay refuses
    it where the schema names a key.

    Args:
        store: where tables are kept.
        opened: the table, its schema as it is now.
        fixed: the rows after they were put right; None: as they were set aside.

    Raises:
        NotFoundError: no row of this table was ever set aside.
        InvalidInputError: the table has no schema, or the rows lack a column.
    """
    import pyarrow as pa

    rejected_name, accepted_name = f"{opened.name}_rejected", f"{opened.name}_accepted"
    names = store.names()
    if opened.schema is None:
        raise InvalidInputError(f"table '{opened.name}' has no schema to ask its rows again by")
    if rejected_name not in names:
        raise NotFoundError(f"no row of table '{opened.name}' was set aside: there is no table '{rejected_name}'")
    accepted = store.read(accepted_name if accepted_name in names else opened.name)
    rejected = fixed if fixed is not None else store.read(rejected_name)
    result = replay(accepted, rejected, opened.schema, opened.around)
    version = None
    if result.accepted.num_rows:
        version, _ = store.replace(accepted_name, pa.concat_tables([accepted, result.accepted]))
        store.replace(rejected_name, result.rejected)
    return Replayed(opened.name, result.accepted.num_rows, result.rejected.num_rows, version)
