"""`headrace run`: a project's stages, from raw rows to a watched model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from headrace.cli.console import ConsoleProgress, JsonOption, print_json
from headrace.cli.options import DEFAULT_HOME, HomeOption, PackagesOption, RegistryOption, named_workspace
from headrace.core.hashing import SHORT_DIGEST_CHARS

if TYPE_CHECKING:
    from headrace.pipeline.runner import StageReport


def run(
    project: Annotated[Path, typer.Argument(help="The project: a folder that holds project.py, or the file itself.")],
    *,
    home: HomeOption = DEFAULT_HOME,
    registry: RegistryOption = None,
    packages: PackagesOption = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Run every stage, whatever was done before.")] = False,
    override: Annotated[
        str | None,
        typer.Option(
            "--override",
            metavar="REASON",
            help="Register versions although a gate failed. The reason is recorded in the package and the registry.",
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Run every stage of a project: ingest, validate, features, train, evaluate, package, serve, release, monitor.

    A stage whose inputs did not change since the last run is skipped. A killed run goes on where it stopped.
    Ends with `report.html` (for people) and `summary.json` (for scripts) in `--home`.

    A failed gate ends the run before anything is registered, unless `--override "REASON"` says why it shall not.

    Example: `headrace run examples/flights --home build/demo`
    """
    from headrace.pipeline.running import run_project

    with ConsoleProgress() as progress:
        printer = _Printer(progress, quiet=as_json)
        workspace = named_workspace(home, registry, packages)
        result = run_project(
            project,
            workspace,
            progress=progress,
            fresh=fresh,
            override=override,
            on_open=printer.header,
            on_stage=printer.stage,
        )
    if as_json:
        print_json(result.summary)
    else:
        progress.line(f"[bold]report[/]  {result.workspace.report}")


class _Printer:
    def __init__(self, progress: ConsoleProgress, *, quiet: bool) -> None:
        self._progress = progress
        self._quiet = quiet
        self._number = 0

    def header(self, project: Path, digest: str) -> None:
        if not self._quiet:
            self._progress.line(f"[bold]headrace[/]  run  {project!s:<48} digest {digest[:SHORT_DIGEST_CHARS]}")

    def stage(self, report: StageReport) -> None:
        self._number += 1
        if self._quiet:
            return
        record = report.record
        took = "[dim]skipped: its inputs did not change[/]" if report.skipped else f"{record.seconds:6.1f} s"
        text = f"  {self._number} [bold]{record.name:<9}[/] {record.outcome.headline:<58} {took}"
        if record.outcome.detail and not report.skipped:
            text += f"   [dim]{record.outcome.detail}[/]"
        self._progress.line(text)
