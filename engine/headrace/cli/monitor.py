"""`headrace monitor`: drift and quality of what was served."""

from __future__ import annotations

from typing import Annotated

import typer

from headrace.cli.console import ConsoleProgress, JsonOption, print_json, print_table
from headrace.cli.options import DEFAULT_HOME, HomeOption, existing_workspace


def monitor(
    model: Annotated[str, typer.Argument(help="Model name.")],
    *,
    home: HomeOption = DEFAULT_HOME,
    as_json: JsonOption = False,
) -> None:
    """Judge the prediction log of a model window by window: drift of each feature, quality once labels arrived.

    Nothing re-reads training data: the references are sketches inside the model's package. Exits with 6 where the last
    window drifts.

    Example: `headrace monitor late --home build/demo`
    """
    from headrace.pipeline.watching import watch_model

    with ConsoleProgress() as progress:
        watched = watch_model(existing_workspace(home), model, progress=progress)
    if as_json:
        print_json(watched.to_json())
    else:
        rows = [
            [
                window.label,
                f"{window.rows:,}",
                window.verdict,
                window.worst_feature or "",
                "" if window.figure is None else f"{window.figure:.3f}",
                f"{window.labelled:,}",
            ]
            for window in watched.windows
        ]
        print_table(
            ["window", "predictions", "drift", "largest in", watched.metric, "labelled"], rows, title=watched.headline
        )
    if watched.windows and watched.windows[-1].verdict == "drift":
        raise typer.Exit(6)
