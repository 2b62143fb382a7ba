"""The server's life: check the ports, load and warm the models, listen, follow the registry, drain on SIGTERM."""

from __future__ import annotations

import dataclasses
import os
import signal
import threading
import time
from types import FrameType

from headrace.core.clock import Clock, SystemClock
from headrace.core.files import write_atomic
from headrace.core.hashing import canonical_json
from headrace.core.logging import get_logger
from headrace.monitoring.prediction_log import PredictionLog
from headrace.serving.config import ReadyInfo, ServingConfig
from headrace.serving.models.manager import FleetManager
from headrace.serving.models.source import ModelSource, open_source
from headrace.serving.ports import check_port
from headrace.serving.protocol.application import ServingApplication
from headrace.serving.protocol.service import InferenceService
from headrace.serving.telemetry.metrics import MetricsPort, ServerCollector
from headrace.serving.telemetry.recorder import Recorder
from headrace.serving.transport.grpcio import GrpcTransport

_LOG = get_logger("serving")


class Server:
    """One server; `start` it, `drain` it once.

    Args:
        config: how to serve.
        source: where models come from, closed with the server; None: the registry that `config` names.
        clock: monotonic and wall time.
    """

    def __init__(self, config: ServingConfig, *, source: ModelSource | None = None, clock: Clock | None = None) -> None:
        self._config = config
        self._source = source
        self._clock = clock or SystemClock()
        self._stopping = threading.Event()
        self._watcher = threading.Thread(target=self._follow, name="registry-watcher", daemon=True)
        self._recorder: Recorder | None = None
        self._metrics: MetricsPort | None = None

    def start(self) -> ReadyInfo:
        """Load every model, listen and say so.

        Raises:
            AlreadyExistsError: a port is taken.
            NotFoundError: a model is not in the registry.
            CorruptedError: a package was altered.
            UnavailableError: CUDA is required and not there.
        """
        start = time.perf_counter()
        try:
            port = self._open()
        except BaseException:
            self._close()
            raise
        self._application.set_ready(ready=True)
        self._watcher.start()
        info = self._describe(f"{self._config.host}:{port}", time.perf_counter() - start)
        self._announce(info)
        return info

    def drain(self) -> bool:
        """Refuse new requests, answer those in flight, flush the prediction log, close the ports.

        Returns:
            Whether every request in flight was answered within the grace period; True for a server drained before.
        """
        if self._stopping.is_set():
            return True
        _LOG.info("server_draining", grace_s=self._config.grace_s)
        self._stopping.set()
        self._application.set_ready(ready=False)
        answered = self._transport.drain(self._config.grace_s)
        self._watcher.join()
        self._close()
        _LOG.info("server_stopped", answered_all=answered)
        return answered

    def _open(self) -> int:
        config = self._config
        check_port(config.host, config.port, purpose="gRPC", setting="--port")
        if config.metrics_port is not None:
            check_port(config.host, config.metrics_port, purpose="metrics", setting="--metrics-port")
        self._source = self._source or open_source(config)
        self._manager = FleetManager(self._source, config, self._clock)
        self._manager.start()
        if config.prediction_log is not None:
            self._recorder = Recorder(PredictionLog(config.prediction_log), self._clock)
        self._service = InferenceService(self._manager, self._recorder, self._clock)
        self._application = ServingApplication(self._service)
        self._transport = GrpcTransport(self._application, threads=config.threads)
        self._metrics = self._open_metrics()
        return self._transport.listen(config.host, config.port)

    def _close(self) -> None:
        """Let go of everything but the transport; what was never opened is passed over."""
        if self._recorder is not None:
            self._recorder.close()
        if self._metrics is not None:
            self._metrics.close()
        if self._source is not None:
            self._source.close()

    def _open_metrics(self) -> MetricsPort | None:
        if self._config.metrics_port is None:
            return None
        collector = ServerCollector(self._manager, self._service, self._recorder)
        return MetricsPort(collector, host=self._config.host, port=self._config.metrics_port)

    def _follow(self) -> None:
        while not self._stopping.wait(self._config.poll_ms / 1e3):
            try:
                self._manager.refresh()
            except Exception:  # noqa: BLE001  the server keeps serving what it has, and says what went wrong
                _LOG.exception("registry_watch_failed")

    def _describe(self, address: str, seconds: float) -> ReadyInfo:
        deployments = self._manager.fleet.deployments.values()
        placements = [
            version.session.placement for deployment in deployments for version in deployment.versions.values()
        ]
        on_cpu = next((placement for placement in placements if placement.device == "cpu"), placements[0])
        return ReadyInfo(
            address=address,
            metrics_address=self._metrics.address if self._metrics is not None else None,
            models={deployment.name: tuple(deployment.versions) for deployment in deployments},
            device=on_cpu.device,
            device_reason=on_cpu.reason,
            pid=os.getpid(),
            seconds=seconds,
        )

    def _announce(self, info: ReadyInfo) -> None:
        fields = dataclasses.asdict(info)
        _LOG.info("server_ready", **fields)
        if self._config.ready_file is not None:
            write_atomic(self._config.ready_file, canonical_json(fields))
        if self._config.on_ready is not None:
            self._config.on_ready(info)


def serve(config: ServingConfig) -> None:
    """Serve until SIGTERM or SIGINT, then drain and return; a second signal ends the process at once.

    Raises:
        AlreadyExistsError: a port is taken.
        NotFoundError: a model is not in the registry.
        CorruptedError: a package was altered.
        UnavailableError: CUDA is required and not there.
    """
    stop = threading.Event()

    def on_signal(number: int, _frame: FrameType | None) -> None:
        signal.signal(number, signal.SIG_DFL)
        stop.set()

    previous = {number: signal.signal(number, on_signal) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        server = Server(config)
        server.start()
        stop.wait()
        server.drain()
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
