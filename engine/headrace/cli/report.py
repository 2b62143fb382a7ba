"""`headrace report`: draw the report of the last run again."""

from __future__ import annotations

import typer

from headrace.cli.console import JsonOption, print_json
from headrace.cli.options import DEFAULT_HOME, HomeOption, existing_workspace


def report(*, home: HomeOption = DEFAULT_HOME, as_json: JsonOption = False) -> None:
    """Write `report.html` from what the last run left, and say where it is. `--json` gives the report's data.

    Example: `headrace report --home build/demo`
    """
    from headrace.pipeline.reporting import read_report, rewrite_report

    workspace = existing_workspace(home)
    if as_json:
        print_json(read_report(workspace))
        return
    rewrite_report(workspace)
    typer.echo(str(workspace.report))
