"""ModelInfer without a transport: a request's bytes in, its answer out. The hot path of every call."""

from __future__ import annotations

import itertools
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass

from headrace.core.clock import Clock
from headrace.core.errors import HeadraceError
from headrace.serving.batching.tickets import Arrays, Ticket
from headrace.serving.models.manager import FleetManager
from headrace.serving.models.version import ServedVersion
from headrace.serving.protocol.messages import parse
from headrace.serving.protocol.requests import decode_inputs
from headrace.serving.protocol.responses import fill_outputs, read_destinations
from headrace.serving.protocol.shared_memory import SharedMemory
from headrace.serving.telemetry.recorder import Recorder
from headrace.serving.telemetry.statistics import VersionStatistics
from headrace.serving.transport.seam import Call
from headrace.wire import inference_pb2 as pb
from headrace.wire.parameters import InferOptions, read_options
from headrace.wire.status import STATUS_NAMES


class Inference:
    """Answers ModelInfer requests; safe from any thread, which it lends to the batch for as long as that takes.

    Args:
        manager: owner of the fleet.
        recorder: where answers go; None: predictions are not logged.
        clock: monotonic time for deadlines.
        memory: shared memory that requests may name.
    """

    def __init__(self, manager: FleetManager, recorder: Recorder | None, clock: Clock, memory: SharedMemory) -> None:
        self._manager = manager
        self._recorder = recorder
        self._clock = clock
        self._memory = memory
        self._prefix = secrets.token_hex(6)
        self._numbers = itertools.count(1)
        self.unrouted = VersionStatistics()

    def answer(self, message: bytes, call: Call) -> bytes:
        """Answer a unary call; errors as `fill`."""
        response = pb.ModelInferResponse()
        self.fill(response, message, call)
        return bytes(response.SerializeToString())

    def fill(self, response: pb.ModelInferResponse, message: bytes, call: Call) -> None:
        """Answer a request into an empty response, and count it.

        The response's id is set as soon as it is known, so that an error can name its request too.

        Raises:
            NotFoundError: no such model, version or shared memory region.
            InvalidInputError: the request is not what the model takes.
            ExhaustedError: the queue is full.
            DeadlineError: the deadline passed first.
            CancelledError: the client withdrew the request.
            UnavailableError: the server is draining.
        """
        start = time.perf_counter()
        statistics = self.unrouted
        status = "INTERNAL"
        note = call.note
        try:
            request = parse("ModelInfer", message)
            name = response.id = request.id
            if note is not None:
                note.model, note.request_id = request.model_name, name
            if not name:
                name = f"{self._prefix}-{next(self._numbers)}"
            deployment = self._manager.fleet.deployment(request.model_name)
            options = read_options(request.parameters)
            version = deployment.pick(request.model_version, options.routing_key or name)
            statistics = version.statistics
            if note is not None:
                note.request_id, note.version = name, str(version.identity.version)
            self._run(request, _Question(name, version, options, call), response)
            status = "OK"
        except HeadraceError as error:
            status = STATUS_NAMES[error.code]
            raise
        finally:
            statistics.request_ended(status, time.perf_counter() - start)

    def _run(self, request: pb.ModelInferRequest, question: _Question, response: pb.ModelInferResponse) -> None:
        version, options = question.version, question.options
        inputs = decode_inputs(request, version, self._memory)
        rows = len(inputs[0])
        options.check(rows=rows, priority_levels=version.batching.priority_levels)
        destinations = read_destinations(request, version.session.outputs, self._memory)
        ticket = Ticket(
            inputs,
            deadline=self._deadline(question.call.time_left_s, options.timeout_us),
            priority=options.priority,
            before_sleep=question.watch,
        )
        outputs = self._wait(ticket, question)
        response.model_name, response.model_version = version.identity.model, str(version.identity.version)
        response.id = question.name
        fill_outputs(response, version.session.outputs, outputs, destinations)
        if self._recorder is not None:
            self._recorder.record(version.identity, question.row_ids(rows), inputs[0], outputs[0])

    def _wait(self, ticket: Ticket, question: _Question) -> Arrays:
        note = question.call.note
        if note is None:
            return question.version.infer(ticket)
        try:
            return question.version.infer(ticket)
        finally:
            note.rows, note.enqueued_at, note.taken_at = ticket.rows, ticket.enqueued_at, ticket.taken_at

    def _deadline(self, time_left_s: float | None, timeout_us: int | None) -> float | None:
        if time_left_s is None and timeout_us is None:
            return None
        limits = [limit for limit in (time_left_s, timeout_us / 1e6 if timeout_us else None) if limit is not None]
        return self._clock.monotonic() + min(limits)


@dataclass(slots=True)
class _Question:
    """A request that has found who answers it."""

    name: str
    version: ServedVersion
    options: InferOptions
    call: Call

    def row_ids(self, rows: int) -> Sequence[str]:
        """One prediction id a row."""
        if self.options.ids is not None:
            return self.options.ids
        return (self.name,) if rows == 1 else [f"{self.name}:{row}" for row in range(rows)]

    def watch(self, ticket: Ticket) -> None:
        """Withdraw the ticket when the client goes."""

        def withdraw() -> None:
            self.version.queue.cancel(ticket)

        if not self.call.on_withdrawn(withdraw):
            withdraw()
