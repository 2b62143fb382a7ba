"""One serving process put together: models, service, what stands around it, and the front door."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from prometheus_client.metrics_core import Metric

from headrace.core.clock import Clock
from headrace.core.logging import get_logger
from headrace.monitoring.prediction_log import PredictionLog
from headrace.serving.access import Guard, KeyFile
from headrace.serving.config import ServingConfig
from headrace.serving.models.manager import FleetManager
from headrace.serving.models.source import ModelSource
from headrace.serving.protocol.application import ServingApplication
from headrace.serving.protocol.service import NO_TRACES, InferenceService
from headrace.serving.runtime.backend import Placement
from headrace.serving.telemetry.access_log import AccessLog
from headrace.serving.telemetry.metrics import ServerCollector, build_info
from headrace.serving.telemetry.process import ProcessMetrics
from headrace.serving.telemetry.recorder import Recorder
from headrace.serving.telemetry.trace_settings import TracePolicy, TraceSettings
from headrace.serving.telemetry.traces import TracedApplication, Tracer
from headrace.serving.transport.certificates import read_certificates
from headrace.serving.transport.choice import open_transport
from headrace.serving.transport.seam import Answered, Application, Transport

_LOG = get_logger("serving")

Wrap = Callable[[Application], Application]


@dataclass(frozen=True)
class Served:
    """What a process serves, in the words of `ReadyInfo`."""

    models: dict[str, tuple[int, ...]]
    device: str
    device_reason: str
    transport: str


class Assembly:
    """The parts of one serving process; `load`, `listen`, then `drain` once, then `close`.

    Args:
        config: how to serve.
        source: where models come from; closed with the rest.
        clock: monotonic and wall time.
        wrap: puts something around the service, inside of access control.

    Raises:
        HeadraceError: the file of keys, a certificate or the endpoint of traces cannot be used.
    """

    def __init__(
        self, config: ServingConfig, source: ModelSource, clock: Clock, wrap: Wrap = lambda application: application
    ) -> None:
        self._config = config
        self._source = source
        self._clock = clock
        self._recorder: Recorder | None = None
        self._tracer: Tracer | None = None
        self._transport: Transport | None = None
        self._process = ProcessMetrics()
        if config.tls is not None:
            read_certificates(config.tls)
        self._keys = KeyFile(config.access, clock) if config.access is not None else None
        self._guard: Guard | None = None
        self._warn_of_open_doors()
        self._tracer = Tracer(config.traces) if config.traces is not None else None
        self.manager = FleetManager(source, config, clock)
        if config.prediction_log is not None:
            self._recorder = Recorder(PredictionLog(config.prediction_log), clock)
        self._trace_settings = (
            TraceSettings(TracePolicy(on=True))
            if config.traces is not None
            else TraceSettings(TracePolicy(), reason=NO_TRACES)
        )
        service = InferenceService(self.manager, self._recorder, clock, traces=self._trace_settings)
        self.application = ServingApplication(service)
        self._collector = ServerCollector(self.manager, service, self._recorder)
        self._front = self._around(wrap(self.application))

    def listen(self, port: int, *, reuse_port: bool = False) -> int:
        """Open the front door; the port.

        Raises:
            AlreadyExistsError: the port is taken.
        """
        config = self._config
        transport = open_transport(self._front, self.application.methods, config, self._recorder, self._tell)
        self._transport = transport
        if self._guard is not None:
            self._guard.stand_at(transport)
        self.manager.listeners.append(transport.publish)
        transport.publish(self.manager.fleet)
        return transport.listen(config.host, port, reuse_port=reuse_port)

    def look(self) -> None:
        """Follow what changes by itself, the models' sources and the file of keys; to be called often."""
        try:
            if self._guard is not None:
                self._guard.look()
            self.manager.refresh()
        except Exception:  # noqa: BLE001  the server keeps serving what it has, and says what went wrong
            _LOG.exception("watch_failed")

    def drain(self, grace_s: float) -> bool:
        """Refuse new calls and let those in flight end; whether they did within the grace period."""
        return self._transport.drain(grace_s) if self._transport is not None else True

    def close(self) -> None:
        """Flush the prediction log and the traces, let go of the models' source."""
        if self._recorder is not None:
            self._recorder.close()
        if self._tracer is not None:
            self._tracer.close()
        self._source.close()

    def collect(self) -> Iterator[Metric]:
        """Every metric of the process."""
        yield build_info(self._transport.name if self._transport is not None else "")
        yield from self._process.collect()
        yield from self._collector.collect()

    def describe(self) -> Served:
        """What is served, and how."""
        deployments = self.manager.fleet.deployments.values()
        placements = [
            version.session.placement for deployment in deployments for version in deployment.versions.values()
        ]
        on_cpu = next((placement for placement in placements if placement.device == "cpu"), None)
        shown = on_cpu or (placements[0] if placements else Placement("cpu"))
        return Served(
            models={deployment.name: tuple(deployment.versions) for deployment in deployments},
            device=shown.device,
            device_reason=shown.reason,
            transport=self._transport.name if self._transport is not None else "",
        )

    def _around(self, application: Application) -> AccessLog:
        if self._keys is not None:
            application = self._guard = Guard(application, self._keys)
        if self._tracer is not None:
            application = TracedApplication(application, self._tracer, self._trace_settings)
        return AccessLog(application, share=self._config.access_log, clock=self._clock)

    def _tell(self, path: str, answered: Answered) -> None:
        """Write of a request that the transport answered by itself."""
        caller = self._guard.name_of(answered.credential) if self._guard is not None else ""
        self._front.tell_of(path, answered, caller)

    def _warn_of_open_doors(self) -> None:
        config = self._config
        if config.access is not None and config.tls is None and config.host not in {"127.0.0.1", "::1", "localhost"}:
            _LOG.warning("keys_travel_in_the_clear", host=config.host, hint="serve with --tls-cert and --tls-key")
