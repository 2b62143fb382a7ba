"""The inference service without a transport: a method's name and bytes in, bytes or an error out."""

from __future__ import annotations

import itertools
import secrets
import time
from collections.abc import Callable, Sequence
from typing import Any

from google.protobuf.message import DecodeError

from headrace import __version__
from headrace.core.clock import Clock
from headrace.core.errors import HeadraceError, InvalidInputError, UnimplementedError
from headrace.serving.batching.tickets import Arrays, Ticket
from headrace.serving.models.manager import FleetManager
from headrace.serving.models.version import ServedVersion
from headrace.serving.protocol import description
from headrace.serving.protocol.requests import decode_inputs, output_positions
from headrace.serving.telemetry.recorder import Recorder
from headrace.serving.telemetry.statistics import VersionStatistics
from headrace.serving.transport.seam import Call
from headrace.wire import inference_pb2 as pb
from headrace.wire.methods import METHODS
from headrace.wire.parameters import read_options
from headrace.wire.status import STATUS_NAMES
from headrace.wire.tensors import encode_raw

EXTENSIONS = ("model_configuration", "statistics")


class InferenceService:
    """Answers the protocol's methods; every method is safe from any thread.

    Args:
        manager: owner of the fleet.
        recorder: where answers go; None: predictions are not logged.
        clock: monotonic time for deadlines.
    """

    def __init__(self, manager: FleetManager, recorder: Recorder | None, clock: Clock) -> None:
        self._manager = manager
        self._recorder = recorder
        self._clock = clock
        self._prefix = secrets.token_hex(6)
        self._numbers = itertools.count(1)
        self.ready = False
        self.unrouted = VersionStatistics()
        self._methods: dict[str, Callable[[Any], Any]] = {
            "ServerLive": lambda _: pb.ServerLiveResponse(live=True),
            "ServerReady": lambda _: pb.ServerReadyResponse(ready=self.ready),
            "ModelReady": self._model_ready,
            "ServerMetadata": lambda _: pb.ServerMetadataResponse(
                name="headrace", version=__version__, extensions=EXTENSIONS
            ),
            "ModelMetadata": self._model_metadata,
            "ModelConfig": self._model_config,
            "ModelStatistics": self._model_statistics,
        }

    def handler(self, method: str) -> Callable[[bytes, Call], bytes]:
        """What answers a unary method: bytes and the call in, bytes out; raises `HeadraceError` for the client."""
        if method == "ModelInfer":
            return self._infer
        answer = self._methods.get(method, _unsupported)
        return lambda message, _call: bytes(answer(_parse(method, message)).SerializeToString())

    def _infer(self, message: bytes, call: Call) -> bytes:
        start = time.perf_counter()
        statistics = self.unrouted
        status = "INTERNAL"
        try:
            request = _parse("ModelInfer", message)
            if call.note is not None:
                call.note.model, call.note.request_id = request.model_name, request.id
            deployment = self._manager.fleet.deployment(request.model_name)
            name = request.id or f"{self._prefix}-{next(self._numbers)}"
            routing_key = request.parameters["routing_key"].string_param if "routing_key" in request.parameters else ""
            version = deployment.pick(request.model_version, routing_key or name)
            statistics = version.statistics
            if call.note is not None:
                call.note.request_id, call.note.version = name, str(version.identity.version)
            response = self._answer(request, name, version, call)
        except HeadraceError as error:
            status = STATUS_NAMES[error.code]
            raise
        else:
            status = "OK"
            return response
        finally:
            statistics.request_ended(status, time.perf_counter() - start)

    def _answer(self, request: pb.ModelInferRequest, name: str, version: ServedVersion, call: Call) -> bytes:
        inputs = decode_inputs(request, version)
        rows = int(inputs[0].shape[0])
        positions = output_positions(request, version.session.outputs)
        options = read_options(request.parameters, rows=rows)
        ticket = Ticket(
            inputs,
            deadline=self._deadline(call.time_left_s, options.timeout_us),
            before_sleep=lambda ticket: _watch(version, ticket, call),
        )
        try:
            outputs = version.infer(ticket)
        finally:
            if call.note is not None:
                call.note.rows, call.note.enqueued_at, call.note.taken_at = rows, ticket.enqueued_at, ticket.taken_at
        if self._recorder is not None:
            ids: Sequence[str] = options.ids or ((name,) if rows == 1 else [f"{name}:{row}" for row in range(rows)])
            self._recorder.record(version.identity, ids, inputs[0], outputs[0])
        return _encode(name, version, outputs, positions)

    def _deadline(self, time_left_s: float | None, timeout_us: int | None) -> float | None:
        limits = [limit for limit in (time_left_s, timeout_us / 1e6 if timeout_us else None) if limit is not None]
        return self._clock.monotonic() + min(limits) if limits else None

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


def _unsupported(request: Any) -> Any:
    method = request.DESCRIPTOR.name.removesuffix("Request")
    raise UnimplementedError(f"{method} is not supported by this server")


def _parse(method: str, message: bytes) -> Any:
    kind = METHODS[method].request
    try:
        return kind.FromString(message)
    except DecodeError as error:
        raise InvalidInputError(f"{len(message)} bytes came that are no {kind.DESCRIPTOR.full_name} message") from error


def _watch(version: ServedVersion, ticket: Ticket, call: Call) -> None:
    def withdraw() -> None:
        version.queue.cancel(ticket)

    if not call.on_withdrawn(withdraw):
        withdraw()


def _encode(name: str, version: ServedVersion, outputs: Arrays, positions: list[int]) -> bytes:
    response = pb.ModelInferResponse(
        model_name=version.identity.model, model_version=str(version.identity.version), id=name
    )
    for position in positions:
        array = outputs[position]
        tensor = version.session.outputs[position]
        response.outputs.add(name=tensor.name, datatype=tensor.datatype, shape=array.shape)
        response.raw_output_contents.append(encode_raw(array))
    return bytes(response.SerializeToString())
