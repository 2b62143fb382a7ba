"""The native transport: HTTP/2 and gRPC in C++, batches assembled in native memory, Python called once a batch.

Plain ModelInfer requests are read from the wire into the open batch of their model version and answered from the
batch's outputs; executor threads here only run the graph. Every other call goes to the application as bytes, on threads
of their own, and so does every ModelInfer request that is not plain or not valid: the service says what is wrong with
it. docs/decisions/0517 has the measurements behind the shape.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Mapping

from headrace.core.errors import AlreadyExistsError, CorruptedError
from headrace.serving.config import LimitsConfig, ServingConfig, TlsConfig
from headrace.serving.models.fleet import Fleet
from headrace.serving.telemetry.note import RequestNote
from headrace.serving.telemetry.recorder import Recorder
from headrace.serving.transport import _front
from headrace.serving.transport.native_calls import CallDesk
from headrace.serving.transport.native_lanes import LaneBook
from headrace.serving.transport.seam import Answered, Application, Kind
from headrace.wire.methods import METHODS
from headrace.wire.status import error_from_status

INFER_PATH = METHODS["ModelInfer"].path
TELL_EVERY_S = 0.1
FOREVER = -1.0
"""A duration without an end, as the door takes it."""


MAX_EXECUTORS = 32
"""Threads that run batches, however many models there are."""


class NativeTransport:
    """Owns the door and the threads that stand behind it.

    Args:
        application: who answers what the door does not.
        methods: paths of the application and how each talks.
        config: limits, TLS, threads and batches that run at a time.
        recorder: where answers go; None: predictions are not logged.
        tell: told of requests that the door answered by itself and that somebody wants to know of, with their path.

    Raises:
        CorruptedError: certificate and key cannot be used.
    """

    name = "native"

    def __init__(
        self,
        application: Application,
        methods: Mapping[str, Kind],
        config: ServingConfig,
        *,
        recorder: Recorder | None,
        tell: Callable[[str, Answered], None],
    ) -> None:
        self._tell = tell
        self._traces = config.traces is not None
        self._stopping = threading.Event()
        try:
            self._front = _front.Front(_options(methods, config))
        except RuntimeError as error:
            raise CorruptedError(str(error)) from error
        self._lanes = LaneBook(self._front, recorder)
        self._desk = CallDesk(
            self._front, application, infer_path=INFER_PATH, max_message_bytes=config.limits.max_message_bytes
        )
        self._slots = config.batching.slots
        self._executors = self._slots
        self._listening = False
        self._threads = [
            *(self._thread("executor", self._lanes.run) for _ in range(self._slots)),
            *(self._thread("native-call", self._desk.work) for _ in range(config.threads)),
            self._thread("native-withdrawn", self._desk.watch_withdrawals),
            self._thread("native-notes", self._tell_often),
        ]

    def listen(self, host: str, port: int, *, reuse_port: bool = False) -> int:
        """Bind the port and begin to answer; the port.

        Raises:
            AlreadyExistsError: the port is taken, or is not this process's to take.
        """
        try:
            bound = self._front.listen(host, port, reuse_port)
        except OSError as error:
            raise AlreadyExistsError(f"port {port} on {host} cannot be bound", hint="choose another port") from error
        self._listening = True
        for thread in self._threads:
            thread.start()
        return bound

    def publish(self, fleet: Fleet) -> None:
        """Learn what is served from now on; calls in flight keep what they have.

        Every model finds an executor beside those that run the others' batches (docs/decisions/0511).
        """
        self._lanes.publish(fleet)
        for _ in range(min(MAX_EXECUTORS, self._slots * len(fleet.deployments)) - self._executors):
            thread = self._thread("executor", self._lanes.run)
            self._threads.append(thread)
            self._executors += 1
            if self._listening:
                thread.start()

    def trust(self, credential: str) -> None:
        """Let the door answer further requests of this caller."""
        if not self._traces:
            self._front.trust(credential)

    def distrust(self) -> None:
        """Have the door ask again about every caller."""
        self._front.distrust()

    def drain(self, grace_s: float) -> bool:
        """Refuse new calls, let those in flight end within the grace period, close the port.

        Returns:
            Whether every call ended in time; the others were cancelled.
        """
        answered = self._front.drain(grace_s)
        self._stopping.set()
        self._front.close()
        for thread in self._threads:
            if thread.is_alive():
                thread.join(grace_s + 1.0)
        return answered

    def _tell_often(self) -> None:
        """Pass on what the door noted of requests, until it is closed; a thread's life."""
        while not self._stopping.wait(TELL_EVERY_S):
            self._tell_noted()
        self._tell_noted()

    def _tell_noted(self) -> None:
        for key, status, text, rows, queued_s, total_s, name, peer, credential, kept_back in self._front.take_notes():
            model, version = self._lanes.name_of(key)
            enqueued_at = 1.0  # only the difference is known, and shown
            note = RequestNote(model, version, name, rows, enqueued_at=enqueued_at)
            if queued_s > 0:
                note.taken_at = enqueued_at + queued_s
            error = error_from_status(status, text) if status else None
            self._tell(INFER_PATH, Answered(note, peer, credential.decode("latin-1"), total_s, error, kept_back))

    def _thread(self, name: str, work: Callable[[], None]) -> threading.Thread:
        return threading.Thread(target=work, name=name, daemon=True)


def _options(methods: Mapping[str, Kind], config: ServingConfig) -> _front.FrontOptions:
    options = _front.FrontOptions()
    options.limits = _limits(config.limits)
    options.infer_path = INFER_PATH
    options.unary_paths = {path for path, kind in methods.items() if kind is Kind.UNARY}
    options.conversation_paths = {path for path, kind in methods.items() if kind is Kind.STREAM}
    options.id_prefix = f"{secrets.token_hex(6)}-n"
    # A traced request has a span from end to end: the service answers all of them, and the door trusts nobody.
    options.authorize = config.access is not None or config.traces is not None
    options.note_share = config.access_log
    if config.tls is not None:
        _set_tls(options, config.tls)
    return options


def _limits(config: LimitsConfig) -> _front.Limits:
    limits = _front.Limits()
    limits.max_message_bytes = config.max_message_bytes
    limits.max_header_bytes = config.max_header_bytes
    limits.max_connections = config.max_connections
    limits.max_streams = config.max_streams
    limits.set_times(
        FOREVER if config.max_connection_age_s is None else config.max_connection_age_s,
        FOREVER if config.max_connection_idle_s is None else config.max_connection_idle_s,
        config.keepalive_s,
        config.handshake_s,
    )
    return limits


def _set_tls(options: _front.FrontOptions, tls: TlsConfig) -> None:
    options.set_tls(str(tls.certificate), str(tls.key), str(tls.client_ca) if tls.client_ca is not None else "")
