"""What a server is told at start, and what it says when it is ready."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

from headrace.core.config import cpu_budget
from headrace.core.errors import InvalidInputError


class Device(Enum):
    """Where models run: `auto` takes CUDA where it works, `cuda` insists on it, `cpu` never asks."""

    AUTO = "auto"
    CPU = "cpu"
    CUDA = "cuda"


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
    """

    max_batch_rows: int = 1024
    max_request_rows: int = 16_384
    max_queue_rows: int = 65_536
    window_us: int = 1000
    parallel_batches: int | None = None

    def __post_init__(self) -> None:
        for name in ("max_batch_rows", "max_request_rows", "max_queue_rows", "parallel_batches"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise InvalidInputError(f"{name} is {value}; it must be at least 1")
        if self.window_us < 0:
            raise InvalidInputError(f"window_us is {self.window_us}; it must be at least 0")

    @property
    def slots(self) -> int:
        """Batches of one model version that run at a time, decided."""
        return self.parallel_batches if self.parallel_batches is not None else max(1, cpu_budget() - 1)


@dataclass(frozen=True)
class ReadyInfo:
    """Said once, when the server takes requests.

    Attributes:
        address: `host:port` of the gRPC port.
        metrics_address: `host:port` of the Prometheus port, or None where metrics are off.
        models: versions served, by model name.
        device: `cuda` or `cpu`.
        device_reason: why it is not CUDA; empty where it is, or where CUDA was not asked for.
        pid: process id of the server.
        seconds: from the call of `serve` to readiness.
    """

    address: str
    metrics_address: str | None
    models: dict[str, tuple[int, ...]]
    device: str
    device_reason: str
    pid: int
    seconds: float


@dataclass(frozen=True)
class ServingConfig:
    """How to serve.

    Attributes:
        models: references into the registry: `late@champion` follows alias and release ledger, `late@2` is fixed,
            `late` means `late@champion`.
        database: file of the embedded registry and release ledger.
        store: folder of the registry's packages.
        host: interface to listen on.
        port: gRPC port; 0: any free one.
        metrics_port: Prometheus port; 0: any free one; None: no metrics port.
        prediction_log: folder of the prediction log; None: predictions are not logged.
        device: where models run.
        batching: bounds of the batching queue.
        threads: requests that are worked on at a time.
        poll_ms: how often the registry and the ledger are looked at for changes.
        grace_s: how long requests in flight may take after SIGTERM.
        ready_file: written, whole or not at all, when the server takes requests: `ReadyInfo` as JSON.
        on_ready: called when the server takes requests.
    """

    models: tuple[str, ...]
    database: Path
    store: Path
    host: str = "127.0.0.1"
    port: int = 8001
    metrics_port: int | None = 8002
    prediction_log: Path | None = None
    device: Device = Device.AUTO
    batching: BatchingConfig = field(default_factory=BatchingConfig)
    threads: int = 8
    poll_ms: int = 200
    grace_s: float = 10.0
    ready_file: Path | None = None
    on_ready: Callable[[ReadyInfo], None] | None = None

    def __post_init__(self) -> None:
        if not self.models:
            raise InvalidInputError("no model to serve", hint="name one, such as late@champion")
        for name, low, high in (("port", 0, 65_535), ("metrics_port", 0, 65_535), ("threads", 1, 1024)):
            value = getattr(self, name)
            if value is not None and not low <= value <= high:
                raise InvalidInputError(f"{name} is {value}; allowed: {low} to {high}")
        if self.poll_ms < 10:
            raise InvalidInputError(f"poll_ms is {self.poll_ms}; it must be at least 10")
        if self.grace_s < 0:
            raise InvalidInputError(f"grace_s is {self.grace_s}; it must be at least 0")
