"""`headrace predict`: rows from a file through a running server."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from headrace.cli.console import ConsoleProgress, JsonOption, print_json


def predict(
    model: Annotated[str, typer.Argument(help="Model name, or `late@2` for one version.")],
    rows: Annotated[
        Path,
        typer.Argument(
            help="Features to score: Parquet, Arrow IPC or CSV, one column a feature, in the model's order."
        ),
    ],
    *,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Where scores go: Parquet, Arrow or CSV.")
    ] = None,
    address: Annotated[str, typer.Option(help="The server.")] = "127.0.0.1:8001",
    id_column: Annotated[
        str, typer.Option(help="Column of prediction ids, where the file has it; ids are the keys of sticky routing.")
    ] = "id",
    rows_per_request: Annotated[int, typer.Option(min=1, help="Rows in one request.")] = 64,
    concurrency: Annotated[int, typer.Option(min=1, max=256, help="Requests in flight.")] = 1,
    timeout: Annotated[float, typer.Option(min=0.001, help="Seconds one request may take.")] = 10.0,
    as_json: JsonOption = False,
) -> None:
    """Send a file's rows to a running server and write the scores, the version that gave each, and the latency.

    Example: `headrace predict late rows.parquet -o scores.parquet --rows-per-request 1`
    """
    from headrace.pipeline.scoring import ScoringJob, score_file

    job = ScoringJob(
        model=model,
        rows=rows,
        output=output,
        address=address,
        id_column=id_column,
        rows_per_request=rows_per_request,
        concurrency=concurrency,
        timeout_s=timeout,
    )
    with ConsoleProgress() as progress:
        outcome = score_file(job, progress=progress)
    if as_json:
        print_json(outcome)
        return
    versions = ", ".join(f"version {version}: {count:,}" for version, count in outcome["rows_by_version"].items())
    typer.echo(f"{outcome['rows']:,} rows in {outcome['requests']:,} requests, {outcome['seconds']:.2f} s · {versions}")
    typer.echo(f"latency p50 {outcome['p50_ms']:.2f} ms, p99 {outcome['p99_ms']:.2f} ms")
    if output:
        typer.echo(f"scores in {output}")
