"""`headrace data validate`: tables against their schemas and their references, with a report and exit codes for CI."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from headrace.cli.console import JsonOption, print_json, print_table, terminal_progress
from headrace.cli.options import DEFAULT_HOME, HomeOption
from headrace.core.errors import FailedCheckError, InvalidInputError

if TYPE_CHECKING:
    from headrace.data import TableStore
    from headrace.pipeline.data_checking import Opened
    from headrace.pipeline.project import Project
    from headrace.validation.examination import Examination

ProjectArgument = Annotated[Path | None, typer.Argument(help="A folder that holds project.py, or the file.")]
TablesOption = Annotated[
    list[str] | None,
    typer.Option("--table", help="A table of the project, or NAME=FILE (.parquet, .arrow, .csv); again for each."),
]
ReferenceOption = Annotated[
    Path | None,
    typer.Option("--reference", help="Folder of frozen references. Default: reference/ beside the project file."),
]


class Environment(StrEnum):
    """Whether labels are known."""

    TRAINING = "training"
    SERVING = "serving"


def validate(
    project: ProjectArgument = None,
    *,
    table: TablesOption = None,
    reference: ReferenceOption = None,
    freeze: Annotated[
        bool, typer.Option("--freeze", help="Write what passed as the reference of later validations.")
    ] = False,
    environment: Annotated[
        Environment, typer.Option("--environment", help="serving: labels must be absent.")
    ] = Environment.TRAINING,
    strict: Annotated[bool, typer.Option("--strict", help="A warning or a finding fails, too.")] = False,
    replay: Annotated[
        bool, typer.Option("--replay", help="Ask set-aside rows again, and take in those that pass now.")
    ] = False,
    fixed: Annotated[
        Path | None, typer.Option("--fixed", help="With --replay: the rows after they were put right (.parquet, .csv).")
    ] = None,
    html: Annotated[
        Path | None, typer.Option("--html", help="Where the report goes. Default: HOME/validation.html.")
    ] = None,
    home: HomeOption = DEFAULT_HOME,
    as_json: JsonOption = False,
) -> None:
    """Check tables: against their schemas, against frozen references, and what they show by themselves.

    Ends with exit code 6 where a check of severity `stop` failed (with `--strict`, where anything was found).

    Example: `headrace data validate examples/flights --home build/demo`
    """
    from headrace.data import TableStore
    from headrace.pipeline.data_checking import REFERENCES

    if project is None and not table:
        raise InvalidInputError("name a project, or files with --table NAME=FILE")
    declared, folder = _project(project)
    store = TableStore(home / "tables")
    if replay:
        _replay(_open(declared, store, table, environment), store, fixed, as_json=as_json)
        return
    if fixed is not None:
        raise InvalidInputError("--fixed goes with --replay")
    _examine(
        _open(declared, store, table, environment),
        str(project or "files"),
        reference or (folder or Path()) / REFERENCES,
        html or home / "validation.html",
        freeze=freeze,
        strict=strict,
        as_json=as_json,
    )


def _examine(
    tables: list[Opened], title: str, references: Path, html: Path, *, freeze: bool, strict: bool, as_json: bool
) -> None:
    from headrace.core.files import write_atomic
    from headrace.core.hashing import canonical_json
    from headrace.pipeline.data_checking import examine_tables, freeze_reference, read_references
    from headrace.pipeline.report.examined import write_page

    with terminal_progress() as progress:
        known = {} if freeze else read_references(references, [opened.name for opened in tables])
        examined = examine_tables(tables, known, progress=progress)
    write_page(html, title, examined, finished_at=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"))
    data = {"tables": [one.to_json() for one in examined], "report": str(html)}
    write_atomic(html.with_suffix(".json"), canonical_json(data))
    frozen = []
    if freeze:
        frozen = [freeze_reference(opened, one, references) for opened, one in zip(tables, examined, strict=True)]
    if as_json:
        print_json(data)
    else:
        _tell(examined, html)
        for path in frozen:
            typer.echo(f"frozen: {path}")
    _judge(examined, strict=strict)


def _judge(examined: list[Examination], *, strict: bool) -> None:
    """End as CI reads it.

    Raises:
        FailedCheckError: a check failed; with `strict`, anything was found.
    """
    for one in examined:
        one.raise_if_failed()
    if not strict:
        return
    for one in examined:
        warned = [check.detail for check in one.checks if check.status == "warned"]
        said = [*warned, *(finding.message for finding in one.findings)]
        if said:
            more = f" (and {len(said) - 1} more)" if len(said) > 1 else ""
            raise FailedCheckError(f"table '{one.name}': {said[0]}{more}")


def _tell(examined: list[Examination], html: Path) -> None:
    for one in examined:
        checks = one.checks
        passed = sum(check.status == "passed" for check in checks)
        aside = one.report.rejected.num_rows if one.report is not None else 0
        head = f"{one.name}: {one.rows:,} rows"
        head += f" · {passed} of {len(checks)} checks passed · {aside:,} rows set aside" if checks else ""
        head += f" · {len(one.anomalies.findings)} unlike the reference" if one.anomalies is not None else ""
        typer.echo(head)
        rows = [[check.status, check.name, check.detail] for check in checks if check.status != "passed"]
        rows += [["found", finding.kind, finding.message] for finding in one.findings]
        rows += [["fact", finding.kind, finding.message] for finding in one.facts]
        if rows:
            print_table(["", "what", "detail"], rows)
    typer.echo(f"report  {html}")


def _replay(tables: list[Opened], store: TableStore, fixed: Path | None, *, as_json: bool) -> None:
    from headrace.pipeline.data_checking import open_file, replay_rejected

    asked = [opened for opened in tables if f"{opened.name}_rejected" in store.names() and opened.schema is not None]
    if fixed is not None and len(tables) != 1:
        raise InvalidInputError("--fixed holds the rows of one table: name it with --table")
    rows = open_file(f"{tables[0].name}={fixed}", None).table if fixed is not None else None
    done = [replay_rejected(store, opened, rows) for opened in (tables if fixed is not None else asked)]
    if as_json:
        print_json(
            [
                {
                    "table": one.name,
                    "passed": one.passed,
                    "failing": one.failing,
                    "version": one.accepted.version if one.accepted is not None else None,
                }
                for one in done
            ]
        )
        return
    for one in done:
        version = f" · version {one.accepted.version} of {one.accepted.name}" if one.accepted is not None else ""
        typer.echo(f"{one.name}: {one.passed:,} rows taken in, {one.failing:,} still set aside{version}")
    if not done:
        typer.echo("no rows are set aside")


def _project(path: Path | None) -> tuple[Project | None, Path | None]:
    if path is None:
        return None, None
    from headrace.pipeline.project import load_project

    return load_project(path)


def _open(
    project: Project | None, store: TableStore, given: list[str] | None, environment: Environment
) -> list[Opened]:
    from headrace.pipeline.data_checking import open_file, open_project_tables

    files = [text for text in given or () if "=" in text]
    names = [text for text in given or () if "=" not in text]
    if names and project is None:
        raise InvalidInputError(f"--table '{names[0]}' is not NAME=FILE, and no project is named that has such a table")
    opened = [open_file(text, project) for text in files]
    if project is not None and (names or not files):
        with terminal_progress() as progress:
            opened += open_project_tables(project, store, only=names, environment=environment.value, progress=progress)
    return opened
