"""`headrace serve`: models of the registry over gRPC."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from headrace.cli.console import JsonOption, print_json
from headrace.cli.options import DEFAULT_HOME, HomeOption


def serve(
    models: Annotated[
        list[str],
        typer.Argument(
            help="What to serve: `late` or `late@champion` follows the releases, `late@2` stays at version 2."
        ),
    ],
    *,
    home: HomeOption = DEFAULT_HOME,
    host: Annotated[str, typer.Option(help="Interface to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="gRPC port; 0 takes a free one.")] = 8001,
    metrics_port: Annotated[int, typer.Option(help="Prometheus port; 0 takes a free one, -1 turns it off.")] = 8002,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    prediction_log: Annotated[
        Path | None, typer.Option(help="Folder of the prediction log; without it predictions are not logged.")
    ] = None,
    ready_file: Annotated[Path | None, typer.Option(help="Written as JSON once the server takes requests.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Serve models over gRPC (Open Inference Protocol), until SIGTERM or Ctrl-C; requests in flight are finished.

    tritonclient, KServe clients and `headrace.Client` work with it. Health, reflection and Prometheus metrics are on.

    Example: `headrace serve late@champion --home build/demo --port 8001`
    """
    from headrace.cli.options import existing_workspace
    from headrace.core.errors import InvalidInputError
    from headrace.serving import ReadyInfo, ServingConfig
    from headrace.serving import serve as serve_models
    from headrace.serving.config import Device

    if device not in {member.value for member in Device}:
        raise InvalidInputError(f"--device is '{device}'; allowed: {', '.join(member.value for member in Device)}")
    workspace = existing_workspace(home)

    def announce(ready: ReadyInfo) -> None:
        if as_json:
            print_json(asdict(ready))
        else:
            served = ", ".join(f"{name} {'+'.join(map(str, versions))}" for name, versions in ready.models.items())
            reason = f" ({ready.device_reason})" if ready.device_reason else ""
            typer.echo(f"{ready.address} ready in {ready.seconds:.1f} s · {served} · {ready.device}{reason}")
            if ready.metrics_address:
                typer.echo(f"metrics at http://{ready.metrics_address}/metrics · Ctrl-C drains and stops")
        sys.stdout.flush()

    serve_models(
        ServingConfig(
            models=tuple(models),
            database=workspace.database,
            store=workspace.home,
            host=host,
            port=port,
            metrics_port=None if metrics_port < 0 else metrics_port,
            prediction_log=prediction_log,
            device=Device(device),
            ready_file=ready_file,
            on_ready=announce,
        )
    )
