"""The inference service without a transport: a method's name and bytes in, bytes or an error out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from headrace import __version__
from headrace.core.clock import Clock
from headrace.serving.models.manager import FleetManager
from headrace.serving.models.version import ServedVersion
from headrace.serving.protocol import description
from headrace.serving.protocol.inference import Inference
from headrace.serving.protocol.memory_methods import SharedMemoryMethods
from headrace.serving.protocol.messages import parse
from headrace.serving.protocol.repository import RepositoryMethods
from headrace.serving.protocol.settings import SettingsMethods
from headrace.serving.protocol.shared_memory import SharedMemory
from headrace.serving.protocol.streams import InferStream, InferStreams
from headrace.serving.telemetry.recorder import Recorder
from headrace.serving.telemetry.statistics import VersionStatistics
from headrace.serving.telemetry.trace_settings import TracePolicy, TraceSettings
from headrace.serving.transport.seam import Call, Replies
from headrace.wire import inference_pb2 as pb

EXTENSIONS = (
    "logging",
    "model_configuration",
    "model_repository",
    "model_repository(unload_dependents)",
    "parameters",
    "schedule_policy",
    "statistics",
    "system_shared_memory",
    "trace",
)

CUDA_EXTENSION = "cuda_shared_memory"
"""Announced where the CUDA driver is."""

NO_TRACES = "this server was started without a trace endpoint"


class InferenceService:
    """Answers the protocol's methods; every method is safe from any thread.

    Args:
        manager: owner of the fleet.
        recorder: where answers go; None: predictions are not logged.
        clock: monotonic time for deadlines.
        traces: which calls begin a trace; None: there are no traces.
    """

    def __init__(
        self, manager: FleetManager, recorder: Recorder | None, clock: Clock, *, traces: TraceSettings | None = None
    ) -> None:
        self._manager = manager
        self._memory = memory = SharedMemory()
        self._inference = Inference(manager, recorder, clock, memory)
        self._streams = InferStreams(self._inference, clock)
        self.ready = False
        traces = traces or TraceSettings(TracePolicy(), reason=NO_TRACES)
        self._methods: dict[str, Callable[[Any], Any]] = {
            "ServerLive": lambda _: pb.ServerLiveResponse(live=True),
            "ServerReady": lambda _: pb.ServerReadyResponse(ready=self.ready),
            "ModelReady": self._model_ready,
            "ServerMetadata": self._server_metadata,
            "ModelMetadata": self._model_metadata,
            "ModelConfig": self._model_config,
            "ModelStatistics": self._model_statistics,
            **RepositoryMethods(manager).methods,
            **SharedMemoryMethods(memory).methods,
            **SettingsMethods(traces, self._check_model).methods,
        }

    @property
    def unrouted(self) -> VersionStatistics:
        """Requests that found no model."""
        return self._inference.unrouted

    def handler(self, method: str) -> Callable[[bytes, Call], bytes]:
        """What answers a unary method: bytes and the call in, bytes out; raises `HeadraceError` for the client."""
        if method == "ModelInfer":
            return self._inference.answer
        answer = self._methods[method]
        return lambda message, _call: bytes(answer(parse(method, message)).SerializeToString())

    def open_stream(self, call: Call, replies: Replies) -> InferStream:
        """Begin a ModelStreamInfer stream."""
        return self._streams.open(call, replies)

    def _check_model(self, name: str) -> None:
        self._manager.fleet.deployment(name)

    def _server_metadata(self, _request: pb.ServerMetadataRequest) -> pb.ServerMetadataResponse:
        device = description.device(list(self._manager.fleet.deployments.values()))
        extensions = (*EXTENSIONS, *((CUDA_EXTENSION,) if self._memory.has_cuda() else ()), device)
        return pb.ServerMetadataResponse(name="headrace", version=__version__, extensions=extensions)

    def _model_ready(self, request: pb.ModelReadyRequest) -> pb.ModelReadyResponse:
        deployment = self._manager.fleet.deployments.get(request.name)
        loaded = {str(number) for number in deployment.versions} if deployment is not None else set()
        return pb.ModelReadyResponse(ready=request.version in loaded if request.version else bool(loaded))

    def _model_metadata(self, request: pb.ModelMetadataRequest) -> pb.ModelMetadataResponse:
        deployment = self._manager.fleet.deployment(request.name)
        version = deployment.pick(request.version, "") if request.version else deployment.champion
        return description.metadata(deployment, version)

    def _model_config(self, request: pb.ModelConfigRequest) -> pb.ModelConfigResponse:
        deployment = self._manager.fleet.deployment(request.name)
        version = deployment.pick(request.version, "") if request.version else deployment.champion
        return pb.ModelConfigResponse(config=description.config(version))

    def _model_statistics(self, request: pb.ModelStatisticsRequest) -> pb.ModelStatisticsResponse:
        fleet = self._manager.fleet
        names = [request.name] if request.name else sorted(fleet.deployments)
        versions: list[ServedVersion] = []
        for name in names:
            deployment = fleet.deployment(name)
            if request.version:
                versions.append(deployment.pick(request.version, ""))
            else:
                versions += [deployment.versions[number] for number in sorted(deployment.versions)]
        return pb.ModelStatisticsResponse(model_stats=[description.statistics(version) for version in versions])
