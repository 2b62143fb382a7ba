"""`headrace score`: a model over whole tables, without a server."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from headrace.cli.console import JsonOption, print_json, terminal_progress
from headrace.cli.features import DeviceOption, TablesOption, ThreadsOption, threads_of
from headrace.cli.options import DEFAULT_HOME, HomeOption, PackagesOption, RegistryOption, named_workspace


def score(
    model: Annotated[str, typer.Argument(help="A registered model: late, late@2 or late@champion.")],
    *,
    output: Annotated[Path, typer.Option("--output", "-o", help="The Parquet file that scores are written to.")],
    table: TablesOption = None,
    device: DeviceOption = None,
    threads: ThreadsOption = None,
    home: HomeOption = DEFAULT_HOME,
    registry: RegistryOption = None,
    packages: PackagesOption = None,
    as_json: JsonOption = False,
) -> None:
    """Compute a package's own features of every row that asks, and score them: tables in, one line a row out.

    Nothing but the package and the tables is used. On a CUDA device features and trees stay there between the steps.

    Example: `headrace score late@champion --home build/demo -o scores.parquet`
    """
    from headrace.core.config import load_settings
    from headrace.features.device import open_devices
    from headrace.pipeline.batch_scoring import BatchJob, score_tables

    devices = open_devices(device or load_settings().device, keep_matrix=True)
    job = BatchJob(model, output, tuple(table or ()), threads_of(threads), devices)
    with terminal_progress() as progress:
        told = score_tables(named_workspace(home, registry, packages), job, progress=progress)
    if as_json:
        print_json(told)
        return
    typer.echo(f"{told['rows']:,} rows of {told['model']} scored by {told['scored_on']} in {told['output']}")
    typer.echo(f"read {told['read_s']:.1f} s, features {told['features_s']:.1f} s, scores {told['scores_s']:.1f} s")
    for each in told["placements"]:
        if each["reason"]:
            typer.echo(f"on the CPU: {each['features']} features of {each['what']}: {each['reason']}")
