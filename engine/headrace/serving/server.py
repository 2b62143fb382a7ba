"""The server's life: check the ports, load and warm the models, listen, follow the sources, drain on SIGTERM."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterable

from prometheus_client.metrics_core import Metric

from headrace.core.clock import Clock, SystemClock
from headrace.core.logging import get_logger
from headrace.serving.assembly import Assembly
from headrace.serving.config import ReadyInfo, ServingConfig
from headrace.serving.lifetime import announce, open_http_port, stop_on_signals
from headrace.serving.models.source import ModelSource, open_source
from headrace.serving.ports import check_ports
from headrace.serving.runtime.placement import demand
from headrace.serving.telemetry.http_port import HttpPort
from headrace.serving.telemetry.probes import Phase, Probes

_LOG = get_logger("serving")


class Server:
    """One server in this process; `start` it, `drain` it once.

    Args:
        config: how to serve.
        source: where models come from, closed with the server; None: what `config` names.
        clock: monotonic and wall time.
    """

    def __init__(self, config: ServingConfig, *, source: ModelSource | None = None, clock: Clock | None = None) -> None:
        self._config = config
        self._source = source
        self._clock = clock or SystemClock()
        self._stopping = threading.Event()
        self._watcher = threading.Thread(target=self._follow, name="model-watcher", daemon=True)
        self._probes = Probes()
        self._assembly: Assembly | None = None
        self._metrics: HttpPort | None = None

    def start(self) -> ReadyInfo:
        """Load every model, listen and say so.

        Raises:
            AlreadyExistsError: a port is taken.
            NotFoundError: a model is not there.
            CorruptedError: a package was altered.
            UnavailableError: CUDA is required and not there.
            HeadraceError: a file of keys or certificates cannot be used.
        """
        start = time.perf_counter()
        try:
            assembly, port = self._open()
        except BaseException:
            self._close()
            raise
        self._application.set_ready(ready=True)
        self._probes.phase = Phase.READY
        self._watcher.start()
        info = ReadyInfo(
            address=f"{self._config.host}:{port}",
            metrics_address=self._metrics.address if self._metrics is not None else None,
            pid=os.getpid(),
            seconds=time.perf_counter() - start,
            **vars(assembly.describe()),
        )
        announce(info, self._config)
        return info

    def drain(self) -> bool:
        """Refuse new requests, answer those in flight, flush the prediction log, close the ports.

        Returns:
            Whether every request in flight was answered within the grace period; True for a server drained before.
        """
        if self._stopping.is_set() or self._assembly is None:
            return True
        config = self._config
        _LOG.info("server_draining", grace_s=config.grace_s, delay_s=config.drain_delay_s)
        self._probes.phase = Phase.DRAINING
        self._application.set_ready(ready=False)
        self._stopping.wait(config.drain_delay_s)
        self._stopping.set()
        answered = self._assembly.drain(config.grace_s)
        self._watcher.join()
        self._close()
        _LOG.info("server_stopped", answered_all=answered)
        return answered

    def _open(self) -> tuple[Assembly, int]:
        config = self._config
        check_ports(config)
        demand(config.device)
        if config.metrics_port is not None:
            self._metrics = open_http_port(config, self._probes, self._collect)
        self._source = self._source or open_source(config)
        self._assembly = assembly = Assembly(config, self._source, self._clock)
        self._application = assembly.application
        self._manager = assembly.manager
        self._manager.start()
        return assembly, assembly.listen(config.port)

    def _close(self) -> None:
        """Let go of everything but the transport; what was never opened is passed over."""
        if self._assembly is not None:
            self._assembly.close()
        elif self._source is not None:
            self._source.close()
        if self._metrics is not None:
            self._metrics.close()

    def _collect(self) -> Iterable[Metric]:
        return self._assembly.collect() if self._assembly is not None else ()

    def _follow(self) -> None:
        assert self._assembly is not None
        while not self._stopping.wait(self._config.poll_ms / 1e3):
            self._assembly.look()


def serve(config: ServingConfig) -> None:
    """Serve until SIGTERM or SIGINT, then drain and return; a second signal ends the process at once.

    Raises:
        AlreadyExistsError: a port is taken.
        NotFoundError: a model is not there.
        CorruptedError: a package was altered.
        UnavailableError: CUDA is required and not there.
        HeadraceError: a file of keys or certificates cannot be used.
    """
    if config.workers > 1:
        from headrace.serving.workers import supervise

        supervise(config)
        return
    with stop_on_signals() as stop:
        server = Server(config)
        server.start()
        while not stop.wait(1.0):  # without a timeout, a signal that comes as the wait begins is noticed by nobody
            pass
        server.drain()
