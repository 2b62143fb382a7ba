"""`headrace data profile`: what is in a table or a file, and a schema proposed from it."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from headrace.cli.console import JsonOption, print_json, print_table, terminal_progress
from headrace.cli.options import DEFAULT_HOME, HomeOption
from headrace.core.errors import AlreadyExistsError, InvalidInputError

if TYPE_CHECKING:
    from headrace.data.profiling import ColumnProfile, Profile, SchemaProposal

TableArgument = Annotated[
    str,
    typer.Argument(
        metavar="TABLE[@VERSION]|FILE",
        help="A table of --home, or a file: .parquet (or a folder of them), .arrow, .csv, .csv.gz.",
    ),
]
FreezeOption = Annotated[
    Path | None,
    typer.Option("--freeze", help="Write the proposed schema: .py for the project, .json with the profile beside it."),
]
HtmlOption = Annotated[Path | None, typer.Option("--html", help="Write the profile as one HTML page.")]
ThreadsOption = Annotated[int | None, typer.Option("--threads", help="Compute threads. Default: the CPUs there are.")]


def profile(
    table: TableArgument,
    *,
    freeze: FreezeOption = None,
    html: HtmlOption = None,
    threads: ThreadsOption = None,
    home: HomeOption = DEFAULT_HOME,
    as_json: JsonOption = False,
) -> None:
    """Read a table or a file once and say what is in it: nulls, distinct values, ranges, quantiles, gaps, correlations.

    Memory does not grow with the number of rows. Every figure is exact or states its error. A schema is proposed from
    what was found: review it, change it, and keep it in the project.

    Example: `headrace data profile flights --home build/demo --html flights.html --freeze flights_schema.py`
    """
    from headrace.data.profiling import infer_schema

    if freeze is not None:
        _check_freezable(freeze)
    started = time.monotonic()
    name, found, notes = _read(table, home, threads)
    seconds = time.monotonic() - started
    proposal = infer_schema(found)
    if freeze is not None:
        _freeze(freeze, name, found, proposal)
    if html is not None:
        from headrace.pipeline.report import write_profile

        write_profile(html, name, found, proposal, command=f"headrace data profile {table} --html {html}")
    if as_json:
        print_json({"profile": found.to_json(), "schema": proposal.to_json(), "notes": list(notes)})
        return
    _tell(found, proposal, seconds)
    for note in notes:
        typer.echo(note)
    for written in (path for path in (freeze, html) if path is not None):
        typer.echo(f"written: {written}")


def _read(table: str, home: Path, threads: int | None) -> tuple[str, Profile, tuple[str, ...]]:
    """Name, profile and notes of a file where there is one, else of a table."""
    from headrace.data import TableStore
    from headrace.data.profiling import profile_file, profile_table
    from headrace.data.profiling.files import is_file
    from headrace.data.store.references import resolve

    with terminal_progress() as progress:
        if is_file(table):
            result = profile_file(Path(table), threads=threads, progress=progress)
            return Path(table).name.partition(".")[0], result.profile, result.notes
        store = TableStore(home / "tables")
        chosen = resolve(store, table)
        found = profile_table(store, chosen.name, version=chosen.version, threads=threads, progress=progress)
        return chosen.name, found, ()


def _check_freezable(path: Path) -> None:
    """Refuse a frozen schema's place before the table is read.

    Raises:
        InvalidInputError: the ending is neither .py nor .json.
        AlreadyExistsError: something is there: what a person reviewed is not overwritten.
    """
    if path.suffix not in (".py", ".json"):
        raise InvalidInputError(f"--freeze {path} ends in neither .py nor .json")
    if path.exists():
        raise AlreadyExistsError(
            f"{path} exists already, and may have been reviewed", hint="name another file, and compare the two"
        )


def _freeze(path: Path, name: str, found: Profile, proposal: SchemaProposal) -> None:
    from headrace.core.files import write_atomic
    from headrace.data.profiling import python_source

    if path.suffix == ".py":
        text = python_source(proposal, name)
    else:
        text = json.dumps({"schema": proposal.to_json(), "profile": found.to_json()}, indent=1, allow_nan=False) + "\n"
    write_atomic(path, text.encode())


def _tell(found: Profile, proposal: SchemaProposal, seconds: float) -> None:
    typer.echo(f"{found.source}: {found.rows:,} rows, {len(found.columns)} columns, read in {seconds:.1f} s")
    headings = ["column", "type", "nulls", "distinct", "least", "median", "most", "note"]
    print_table(headings, [_row(column, found.rows) for column in found.columns])
    pairs = found.correlations.strongest(3)
    if pairs:
        typer.echo(f"correlations: {', '.join(f'{left} and {right} {value:+.2f}' for left, right, value in pairs)}")
    if proposal.keys:
        typer.echo(f"may be a key: {', '.join(proposal.keys)}")


def _row(column: ColumnProfile, rows: int) -> list[str]:
    distinct = "" if column.distinct is None else f"{'' if column.distinct_exact else '~'}{column.distinct:,}"
    share = f"{column.nulls / rows:.1%}" if column.nulls else "0"
    least, median, most = column.min, column.quantiles.get("p50"), column.max
    if column.lengths:
        least, median, most = (f"{column.lengths[name]:g} chars" for name in ("min", "p50", "max"))
    by_day = column.kind == "time" and str(least)[:7] != str(most)[:7]
    ends = [_shown(value)[: 10 if by_day else None] for value in (least, median, most)]
    return [column.name, column.dtype or column.arrow, share, distinct, *ends, _note(column, rows)]


def _note(column: ColumnProfile, rows: int) -> str:
    notes = []
    if column.nan or column.infinite:
        notes.append(f"{column.nan:,} NaN, {column.infinite:,} infinite")
    if column.gaps:
        notes.append(f"longest gap {column.gaps[0].seconds / 3600:,.1f} h")
    if column.order in ("ascending", "descending"):
        notes.append(column.order)
    if column.kind in ("string", "bool") and column.top:
        notes.append(f"{column.top[0].count / rows:.1%} {str(column.top[0].value)[:24]!r}")
    return "; ".join(notes)


def _shown(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, str):  # a time: its minute will do
        return value.replace("T", " ")[:16]
    return f"{value:,.6g}" if isinstance(value, float) else f"{value:,}"
