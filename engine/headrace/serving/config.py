"""What a server is told at start, and what it says when it is ready."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

from headrace.core.config import cpu_budget
from headrace.core.errors import InvalidInputError

MAX_GRACE_S = 86_400.0
MAX_LIMIT = 2**31 - 1


class Device(Enum):
    """Where models run: `auto` takes CUDA where it works, `cuda` insists on it, `cpu` never asks."""

    AUTO = "auto"
    CPU = "cpu"
    CUDA = "cuda"


class Door(Enum):
    """Which transport serves: `auto` takes the native one where it is built, else grpcio, and says so once."""

    AUTO = "auto"
    GRPCIO = "grpcio"
    NATIVE = "native"


@dataclass(frozen=True)
class TlsConfig:
    """TLS for the gRPC port; TLS 1.3 on the native transport, what gRPC's core negotiates on grpcio.

    Attributes:
        certificate: PEM file of the server's certificate chain.
        key: PEM file of its private key.
        client_ca: PEM file of authorities; given, a client must show a certificate that one of them signed.
    """

    certificate: Path
    key: Path
    client_ca: Path | None = None


@dataclass(frozen=True)
class LimitsConfig:
    """What one client may take from the server.

    Attributes:
        max_message_bytes: size of a request or an answer.
        max_header_bytes: all header fields of a call together.
        max_connections: open connections; more are refused.
        max_streams: calls that one connection may have open.
        max_connection_age_s: a connection older than this is told to go (GOAWAY), and reconnects; None: never.
        max_connection_idle_s: a connection without a call for so long is told to go; None: never.
        keepalive_s: a silent connection is pinged this often, and closed when no answer comes in as long.
        handshake_s: how long a new connection may take to speak HTTP/2.
    """

    max_message_bytes: int = 64 * 1024 * 1024
    max_header_bytes: int = 16 * 1024
    max_connections: int = 10_000
    max_streams: int = 1024
    max_connection_age_s: float | None = None
    max_connection_idle_s: float | None = None
    keepalive_s: float = 120.0
    handshake_s: float = 10.0

    def __post_init__(self) -> None:
        for name, low in (
            ("max_message_bytes", 1024),
            ("max_header_bytes", 1024),
            ("max_connections", 1),
            ("max_streams", 1),
            ("max_connection_age_s", 1),
            ("max_connection_idle_s", 1),
            ("keepalive_s", 1),
            ("handshake_s", 0.1),
        ):
            value = getattr(self, name)
            if value is not None and not low <= value <= MAX_LIMIT:
                raise InvalidInputError(f"{name} is {value}; allowed: {low} to {MAX_LIMIT}")


@dataclass(frozen=True)
class BatchingConfig:
    """Bounds of the batching queue, one queue a model version.

    Attributes:
        max_batch_rows: rows that requests are combined up to; a larger request runs alone.
        max_request_rows: rows that one request may have.
        max_queue_rows: rows that may wait; beyond them requests are refused with RESOURCE_EXHAUSTED.
        window_us: how long a batch may wait for company while another batch of the model runs; 0: it does not wait.
        parallel_batches: batches of one model version that run at a time; None: one less than the CPUs this process
            may use, at least 1, so that one is left for reading and writing.
        adaptive: let the window follow arrival rate and service time, up to `window_us`.
        target_ms: requests whose answer would take longer than this are refused with RESOURCE_EXHAUSTED as they come;
            None: only `max_queue_rows` bounds the queue.
        priority_levels: request priorities 1 (first) to this; priority 0, or none given, is `default_priority`.
        default_priority: priority of requests that name none.
    """

    max_batch_rows: int = 1024
    max_request_rows: int = 16_384
    max_queue_rows: int = 65_536
    window_us: int = 1000
    parallel_batches: int | None = None
    adaptive: bool = True
    target_ms: float | None = None
    priority_levels: int = 3
    default_priority: int = 2

    def __post_init__(self) -> None:
        for name in ("max_batch_rows", "max_request_rows", "max_queue_rows", "parallel_batches"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise InvalidInputError(f"{name} is {value}; it must be at least 1")
        if self.window_us < 0:
            raise InvalidInputError(f"window_us is {self.window_us}; it must be at least 0")
        if self.target_ms is not None and not 0 < self.target_ms <= MAX_LIMIT:
            raise InvalidInputError(f"target_ms is {self.target_ms}; it must be above 0, and a number")
        if not 1 <= self.default_priority <= self.priority_levels:
            raise InvalidInputError(
                f"default_priority is {self.default_priority}; allowed: 1 to priority_levels, {self.priority_levels}"
            )

    @property
    def slots(self) -> int:
        """Batches of one model version that run at a time, decided."""
        return self.parallel_batches if self.parallel_batches is not None else max(1, cpu_budget() - 1)

    @property
    def batch_threads(self) -> int:
        """Threads that one large batch may use: the CPUs left beside reading and writing, shared among the slots."""
        return max(1, (cpu_budget() - 1) // self.slots)


@dataclass(frozen=True)
class ReadyInfo:
    """Said once, when the server takes requests.

    Attributes:
        address: `host:port` of the gRPC port.
        metrics_address: `host:port` of the Prometheus port, or None where metrics are off.
        models: versions served, by model name.
        device: `cuda` or `cpu`.
        device_reason: why it is not CUDA; empty where it is, or where CUDA was not asked for.
        pid: process id of the server; with several workers, of their supervisor.
        seconds: from the call of `serve` to readiness.
        transport: `grpcio` or `native`.
        workers: process ids of the workers; empty where one process serves.
    """

    address: str
    metrics_address: str | None
    models: dict[str, tuple[int, ...]]
    device: str
    device_reason: str
    pid: int
    seconds: float
    transport: str = ""
    workers: tuple[int, ...] = ()


@dataclass(frozen=True)
class ServingConfig:
    """How to serve.

    Attributes:
        models: references into the registry: `late@champion` follows alias and release ledger, `late@2` is fixed,
            `late` means `late@champion`.
        database: file, or URI, of the registry and release ledger; None: only `repository` is served.
        store: folder, or URI, of the registry's packages; None with `database`.
        package_cache: folder for packages of a store that is no folder.
        trusted_keys: public keys, one of which must have signed a package of the registry; none: no signature is asked
            for.
        repository: folder of plain ONNX models, `NAME/VERSION/model.onnx`; None: only the registry is served.
        watch: follow changes of `repository`; without it models are loaded at start and by RepositoryModelLoad alone.
        host: interface to listen on.
        port: gRPC port; 0: any free one.
        metrics_port: Prometheus port; 0: any free one; None: no metrics port.
        prediction_log: folder of the prediction log; None: predictions are not logged.
        device: where models run.
        batching: bounds of the batching queue.
        door: which transport serves.
        tls: TLS for the gRPC port; None: plain HTTP/2.
        limits: what one client may take.
        access: file of API keys and their scopes (TOML); None: everybody may call everything.
        access_log: share of ModelInfer requests that get a line in the access log, 0 to 1; refused ones always do.
        traces: OpenTelemetry endpoint that spans are sent to (OTLP over gRPC); None: no traces.
        workers: processes that share the port.
        response_cache_bytes: memory for answers that are given again to equal requests; 0: no cache.
        threads: requests that are worked on at a time (grpcio), or that need Python's service (native).
        poll_ms: how often the registry and the ledger are looked at for changes.
        grace_s: how long requests in flight may take after SIGTERM.
        drain_delay_s: how long after SIGTERM requests are still taken while readiness is false already, so that load
            balancers can look away first.
        ready_file: written, whole or not at all, when the server takes requests: `ReadyInfo` as JSON.
        on_ready: called when the server takes requests.
    """

    models: tuple[str, ...] = ()
    database: Path | str | None = field(default=None, repr=False)  # a URI may hold a password
    store: Path | str | None = None
    package_cache: Path = Path("package-cache")
    trusted_keys: tuple[Path, ...] = ()
    repository: Path | None = None
    watch: bool = False
    host: str = "127.0.0.1"
    port: int = 8001
    metrics_port: int | None = 8002
    prediction_log: Path | None = None
    device: Device = Device.AUTO
    batching: BatchingConfig = field(default_factory=BatchingConfig)
    door: Door = Door.AUTO
    tls: TlsConfig | None = None
    limits: LimitsConfig = field(default_factory=LimitsConfig)
    access: Path | None = None
    access_log: float = 0.0
    traces: str | None = None
    workers: int = 1
    response_cache_bytes: int = 0
    threads: int = 8
    poll_ms: int = 200
    grace_s: float = 10.0
    drain_delay_s: float = 0.0
    ready_file: Path | None = None
    on_ready: Callable[[ReadyInfo], None] | None = None

    def __post_init__(self) -> None:
        if not self.models and self.repository is None:
            raise InvalidInputError("no model to serve", hint="name one, such as late@champion")
        if self.models and (self.database is None or self.store is None):
            raise InvalidInputError("models of the registry are named, but no registry (database and store)")
        if not 0.0 <= self.access_log <= 1.0:
            raise InvalidInputError(f"access_log is {self.access_log}; allowed: 0 to 1")
        for name, low, high in (
            ("port", 0, 65_535),
            ("metrics_port", 0, 65_535),
            ("threads", 1, 1024),
            ("workers", 1, 256),
        ):
            value = getattr(self, name)
            if value is not None and not low <= value <= high:
                raise InvalidInputError(f"{name} is {value}; allowed: {low} to {high}")
        if not 10 <= self.poll_ms <= MAX_LIMIT:
            raise InvalidInputError(f"poll_ms is {self.poll_ms}; it must be at least 10")
        if self.response_cache_bytes < 0:
            raise InvalidInputError(f"response_cache_bytes is {self.response_cache_bytes}; it must be at least 0")
        for name in ("grace_s", "drain_delay_s"):
            if not 0 <= getattr(self, name) <= MAX_GRACE_S:
                raise InvalidInputError(f"{name} is {getattr(self, name)}; allowed: 0 to {MAX_GRACE_S:.0f}")
