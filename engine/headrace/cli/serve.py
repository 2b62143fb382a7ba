"""`headrace serve`: models of the registry or of a folder over gRPC."""

from __future__ import annotations

import sys
from dataclasses import MISSING, asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from headrace.cli import serve_options as options
from headrace.cli.console import JsonOption, print_json
from headrace.cli.options import DEFAULT_HOME, HomeOption, PackagesOption, RegistryOption

if TYPE_CHECKING:
    from headrace.serving import ReadyInfo, ServingConfig

BYTES_PER_MB = 1024 * 1024
MAX_CACHE_MB = 1_000_000


def serve(
    models: options.Models = None,
    *,
    home: HomeOption = DEFAULT_HOME,
    registry: RegistryOption = None,
    packages: PackagesOption = None,
    repository: options.Repository = None,
    watch: options.Watch = False,
    poll_ms: options.PollMs = 200,
    device: options.DeviceName = "auto",
    require_cuda: options.RequireCuda = False,
    prediction_log: options.PredictionLog = None,
    cache_mb: options.CacheMb = 0.0,
    host: options.Host = "127.0.0.1",
    port: options.Port = 8001,
    metrics_port: options.MetricsPort = 8002,
    door: options.DoorName = "auto",
    workers: options.Workers = 1,
    threads: options.Threads = 8,
    max_batch_rows: options.MaxBatchRows = 1024,
    max_request_rows: options.MaxRequestRows = 16_384,
    max_queue_rows: options.MaxQueueRows = 65_536,
    window_us: options.WindowUs = 1000,
    parallel_batches: options.ParallelBatches = None,
    adaptive: options.Adaptive = True,
    target_ms: options.TargetMs = None,
    priority_levels: options.PriorityLevels = 3,
    default_priority: options.DefaultPriority = 2,
    tls_cert: options.TlsCert = None,
    tls_key: options.TlsKey = None,
    client_ca: options.ClientCa = None,
    access: options.Access = None,
    trusted_keys: options.TrustedKeys = None,
    max_message_bytes: options.MaxMessageBytes = 64 * 1024 * 1024,
    max_header_bytes: options.MaxHeaderBytes = 16 * 1024,
    max_connections: options.MaxConnections = 10_000,
    max_streams: options.MaxStreams = 1024,
    max_connection_age_s: options.MaxConnectionAgeS = None,
    max_connection_idle_s: options.MaxConnectionIdleS = None,
    keepalive_s: options.KeepaliveS = 120.0,
    handshake_s: options.HandshakeS = 10.0,
    access_log: options.AccessLog = 0.0,
    traces: options.Traces = None,
    grace_s: options.GraceS = 10.0,
    drain_delay_s: options.DrainDelayS = 0.0,
    ready_file: options.ReadyFile = None,
    as_json: JsonOption = False,
) -> None:
    """Serve models over gRPC (Open Inference Protocol), until SIGTERM or Ctrl-C; requests in flight are finished.

    tritonclient, KServe clients and `headrace.Client` work with it. Health, reflection and Prometheus metrics are on.

    Example: `headrace serve late@champion --home build/demo --port 8001`
    """
    given = dict(locals())
    from headrace.serving import serve as serve_models

    serve_models(_config(given))


def _config(given: dict[str, Any]) -> ServingConfig:
    """Settings of the server, of what the command was given under the same names.

    Raises:
        HeadraceError: a value is not allowed, or there is no registry in `home`.
    """
    from headrace.cli.options import existing_workspace
    from headrace.serving.config import BatchingConfig, Device, Door, LimitsConfig, ServingConfig

    as_json = given["as_json"]
    changed: dict[str, Any] = {
        "models": tuple(given["models"] or ()),
        "device": _device(Device, given["device"], require_cuda=given["require_cuda"]),
        "door": _member(Door, given["door"], "--door"),
        "metrics_port": None if given["metrics_port"] < 0 else given["metrics_port"],
        "response_cache_bytes": _cache_bytes(given["cache_mb"]),
        "tls": _tls(given["tls_cert"], given["tls_key"], given["client_ca"]),
        "batching": BatchingConfig(**_named(BatchingConfig, given)),
        "limits": LimitsConfig(**_named(LimitsConfig, given)),
        "on_ready": lambda ready: _announce(ready, as_json=as_json),
    }
    if given["models"]:
        workspace = existing_workspace(given["home"], given["registry"], given["packages"])
        changed |= {
            "database": workspace.database,
            "store": workspace.store,
            "package_cache": workspace.package_cache,
            "trusted_keys": tuple(given["trusted_keys"] or workspace.trusted_keys),
        }
    return ServingConfig(**(_named(ServingConfig, given) | changed))


def _named(kind: Any, given: dict[str, Any]) -> dict[str, Any]:
    """The settings of a dataclass that were given."""
    return {field.name: given[field.name] for field in fields(kind) if given.get(field.name, MISSING) is not MISSING}


def _member(kind: Any, value: str, option: str) -> Any:
    from headrace.core.errors import InvalidInputError

    allowed = [member.value for member in kind]
    if value not in allowed:
        raise InvalidInputError(f"{option} is '{value}'; allowed: {', '.join(allowed)}")
    return kind(value)


def _device(kind: Any, value: str, *, require_cuda: bool) -> Any:
    from headrace.core.errors import InvalidInputError

    device = _member(kind, value, "--device")
    if require_cuda and device is kind.CPU:
        raise InvalidInputError("--require-cuda and --device cpu contradict each other")
    return kind.CUDA if require_cuda else device


def _cache_bytes(megabytes: float) -> int:
    from headrace.core.errors import InvalidInputError

    if not 0 <= megabytes <= MAX_CACHE_MB:
        raise InvalidInputError(f"--cache-mb is {megabytes}; allowed: 0 to {MAX_CACHE_MB}")
    return int(megabytes * BYTES_PER_MB)


def _tls(certificate: Path | None, key: Path | None, client_ca: Path | None) -> Any:
    from headrace.core.errors import InvalidInputError
    from headrace.serving.config import TlsConfig

    if certificate is None and key is None and client_ca is None:
        return None
    if certificate is None or key is None:
        raise InvalidInputError("TLS needs --tls-cert and --tls-key, and one of them is missing")
    return TlsConfig(certificate, key, client_ca)


def _announce(ready: ReadyInfo, *, as_json: bool) -> None:
    if as_json:
        print_json(asdict(ready))
    else:
        served = ", ".join(f"{name} {'+'.join(map(str, versions))}" for name, versions in ready.models.items())
        reason = f" ({ready.device_reason})" if ready.device_reason else ""
        processes = f" · {len(ready.workers)} workers" if ready.workers else ""
        typer.echo(f"{ready.address} ready in {ready.seconds:.1f} s · {served} · {ready.device}{reason}{processes}")
        if ready.metrics_address:
            typer.echo(f"metrics at http://{ready.metrics_address}/metrics · Ctrl-C drains and stops")
    sys.stdout.flush()
