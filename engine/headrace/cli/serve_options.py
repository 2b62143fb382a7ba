"""Options of `headrace serve`, by panel of its help; each has the name of the setting of `ServingConfig` it sets."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

_MODELS, _ADDRESS, _BATCHING = "Models", "Address and processes", "Batching"
_SECURITY, _LIMITS, _TELEMETRY, _LIFE = "Security", "Limits of a client", "Telemetry", "Start and end"

Models = Annotated[
    list[str] | None,
    typer.Argument(
        help="What to serve: `late` or `late@champion` follows the releases, `late@2` stays at version 2.",
        show_default=False,
    ),
]
Repository = Annotated[
    Path | None,
    typer.Option(help="Folder of plain ONNX models, NAME/VERSION/model.onnx.", rich_help_panel=_MODELS),
]
Watch = Annotated[bool, typer.Option("--watch", help="Follow changes of the folder.", rich_help_panel=_MODELS)]
PollMs = Annotated[int, typer.Option(help="How often to look for changes of models, ms.", rich_help_panel=_MODELS)]
DeviceName = Annotated[
    str, typer.Option(help="auto, cpu, or cuda, which refuses to start without it.", rich_help_panel=_MODELS)
]
RequireCuda = Annotated[
    bool, typer.Option("--require-cuda", help="The same as --device cuda, in words.", rich_help_panel=_MODELS)
]
PredictionLog = Annotated[
    Path | None,
    typer.Option(help="Folder of the prediction log; without it predictions are not logged.", rich_help_panel=_MODELS),
]
CacheMb = Annotated[
    float,
    typer.Option(help="Memory for answers to equal requests, MB a process; 0: no cache.", rich_help_panel=_MODELS),
]

Host = Annotated[str, typer.Option(help="Interface to listen on.", rich_help_panel=_ADDRESS)]
Port = Annotated[int, typer.Option(help="gRPC port; 0 takes a free one.", rich_help_panel=_ADDRESS)]
MetricsPort = Annotated[
    int,
    typer.Option(
        help="Port of /metrics, /livez and /readyz; 0 takes a free one, -1 turns it off.", rich_help_panel=_ADDRESS
    ),
]
DoorName = Annotated[
    str,
    typer.Option(help="auto takes the native transport where it is built; grpcio, native.", rich_help_panel=_ADDRESS),
]
Workers = Annotated[
    int, typer.Option(help="Processes that share the port, each with all models.", rich_help_panel=_ADDRESS)
]
Threads = Annotated[
    int, typer.Option(help="Requests a process works on at a time in Python.", rich_help_panel=_ADDRESS)
]

MaxBatchRows = Annotated[int, typer.Option(help="Rows that requests are combined up to.", rich_help_panel=_BATCHING)]
MaxRequestRows = Annotated[int, typer.Option(help="Rows that one request may have.", rich_help_panel=_BATCHING)]
MaxQueueRows = Annotated[int, typer.Option(help="Rows that may wait for a model.", rich_help_panel=_BATCHING)]
WindowUs = Annotated[
    int, typer.Option(help="How long a batch may wait for company while another runs, us.", rich_help_panel=_BATCHING)
]
ParallelBatches = Annotated[
    int | None,
    typer.Option(
        help="Batches of a model that run at a time.", show_default="CPUs less one", rich_help_panel=_BATCHING
    ),
]
Adaptive = Annotated[
    bool, typer.Option(help="Let the window follow arrivals and service time.", rich_help_panel=_BATCHING)
]
TargetMs = Annotated[
    float | None,
    typer.Option(help="Refuse what would take longer than this, ms.", show_default="never", rich_help_panel=_BATCHING),
]
PriorityLevels = Annotated[
    int, typer.Option(help="Priorities of requests, 1 (first) to this.", rich_help_panel=_BATCHING)
]
DefaultPriority = Annotated[int, typer.Option(help="Priority of requests that name none.", rich_help_panel=_BATCHING)]

TlsCert = Annotated[
    Path | None, typer.Option(help="PEM file of the certificate chain; turns TLS on.", rich_help_panel=_SECURITY)
]
TlsKey = Annotated[Path | None, typer.Option(help="PEM file of its private key.", rich_help_panel=_SECURITY)]
ClientCa = Annotated[
    Path | None,
    typer.Option(help="PEM file of who signs for clients; turns mutual TLS on.", rich_help_panel=_SECURITY),
]
Access = Annotated[
    Path | None,
    typer.Option(help="TOML file of API keys; without it everybody may call.", rich_help_panel=_SECURITY),
]
TrustedKeys = Annotated[
    list[Path] | None,
    typer.Option(
        "--trusted-key",
        help="Public key (or folder of them) that must have signed a package of the registry; may be repeated.",
        show_default="HEADRACE_TRUSTED_KEYS",
        rich_help_panel=_SECURITY,
    ),
]

MaxMessageBytes = Annotated[int, typer.Option(help="Size of a request or an answer.", rich_help_panel=_LIMITS)]
MaxHeaderBytes = Annotated[int, typer.Option(help="Size of a call's header fields.", rich_help_panel=_LIMITS)]
MaxConnections = Annotated[int, typer.Option(help="Open connections a process.", rich_help_panel=_LIMITS)]
MaxStreams = Annotated[int, typer.Option(help="Open calls a connection.", rich_help_panel=_LIMITS)]
MaxConnectionAgeS = Annotated[
    float | None,
    typer.Option(help="Tell older connections to go, s.", show_default="never", rich_help_panel=_LIMITS),
]
MaxConnectionIdleS = Annotated[
    float | None,
    typer.Option(help="Tell connections without a call to go, s.", show_default="never", rich_help_panel=_LIMITS),
]
KeepaliveS = Annotated[float, typer.Option(help="Ping silent connections this often, s.", rich_help_panel=_LIMITS)]
HandshakeS = Annotated[float, typer.Option(help="Time to speak HTTP/2 in, s.", rich_help_panel=_LIMITS)]

AccessLog = Annotated[
    float,
    typer.Option(
        help="Share of inference requests that get a line in the access log, 0 to 1; refused ones always do.",
        rich_help_panel=_TELEMETRY,
    ),
]
Traces = Annotated[
    str | None,
    typer.Option(help="Where OpenTelemetry traces go, OTLP over gRPC: http://HOST:4317.", rich_help_panel=_TELEMETRY),
]

GraceS = Annotated[float, typer.Option(help="Time for requests in flight after SIGTERM, s.", rich_help_panel=_LIFE)]
DrainDelayS = Annotated[
    float,
    typer.Option(
        "--drain-delay",
        help="Time to go on serving after SIGTERM while /readyz is 503 already, s.",
        rich_help_panel=_LIFE,
    ),
]
ReadyFile = Annotated[
    Path | None, typer.Option(help="Written as JSON once the server takes requests.", rich_help_panel=_LIFE)
]
