"""`headrace key`: an API key for `headrace serve --access`."""

from __future__ import annotations

from typing import Annotated

import typer

from headrace.cli.console import JsonOption, print_json


def key(
    name: Annotated[str, typer.Argument(help="Who will use it; shown in the access log.")],
    *,
    scope: Annotated[
        list[str] | None,
        typer.Option(help="What it may do: infer, read, control, or * for everything; may be given several times."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Make an API key. The key is shown once and kept nowhere; the file of the server holds its digest.

    The lines for the file go to stdout, the key to stderr: `headrace key scoring-job >> keys.toml`.

    Example: `headrace key scoring-job --scope infer --scope read`
    """
    from headrace.serving.access import make_key

    scopes = tuple(scope or ("infer", "read"))
    secret, entry = make_key(name, scopes)
    if as_json:
        print_json({"name": name, "scopes": list(scopes), "key": secret, "entry": entry})
        return
    typer.echo(entry)
    typer.echo(f"the key, shown this once: {secret}", err=True)
