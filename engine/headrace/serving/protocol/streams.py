"""ModelStreamInfer: one answer a request, in the order of the requests, errors inside the stream, which stays open."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from headrace.core.clock import Clock
from headrace.core.errors import HeadraceError
from headrace.serving.protocol.failures import unexpected
from headrace.serving.protocol.inference import Inference
from headrace.serving.transport.seam import Call, Replies
from headrace.wire import inference_pb2 as pb
from headrace.wire.parameters import FINAL
from headrace.wire.status import status_details

MAX_WORKED_ON = 16
"""Requests of one stream that are worked on at a time, so that they can share batches; more wait in the transport."""

THREADS = 64
"""Requests of all streams that are worked on at a time; a thread is started when no idle one is left."""


class InferStreams:
    """Opens the server's inference streams, which share threads.

    Each request of a stream has a thread of its own while it is worked on, as a unary call has: whoever waits in a
    batching queue runs what is ready there.

    Args:
        inference: answers each request.
        clock: monotonic time.
    """

    def __init__(self, inference: Inference, clock: Clock) -> None:
        self._inference = inference
        self._clock = clock
        self._threads = ThreadPoolExecutor(max_workers=THREADS, thread_name_prefix="stream-infer")

    def open(self, call: Call, replies: Replies) -> InferStream:
        """Begin a stream."""
        return InferStream(self._inference, self._clock, self._threads, call, replies)


class InferStream:
    """One stream.

    Invariants: `_slots` holds the requests that have no answer sent yet, in order; the answer of a slot is sent when
    it is there and all before it are sent; the stream ends when the client sends no more and no slot is left.
    """

    def __init__(
        self, inference: Inference, clock: Clock, threads: ThreadPoolExecutor, call: Call, replies: Replies
    ) -> None:
        self._inference = inference
        self._clock = clock
        self._threads = threads
        self._call = call
        self._replies = replies
        self._deadline = None if call.time_left_s is None else clock.monotonic() + call.time_left_s
        self._lock = threading.Lock()
        self._room = threading.Semaphore(MAX_WORKED_ON)
        self._slots: deque[_Slot] = deque()
        self._complete = False
        self._over = False

    def received(self, message: bytes) -> None:
        """Begin to answer a request; waits while as many as may be are worked on."""
        self._room.acquire()
        slot = _Slot()
        with self._lock:
            if self._over:
                return
            self._slots.append(slot)
        self._threads.submit(self._work, slot, message)

    def half_closed(self) -> None:
        """End the stream once every request has its answer."""
        with self._lock:
            self._complete = True
            done = not self._slots
        if done:
            self._replies.finish()

    def ended(self) -> None:
        """Withdraw what is still worked on."""
        with self._lock:
            self._over = True
            slots = list(self._slots)
            self._slots.clear()
        self._room.release()
        for slot in slots:
            slot.withdraw()

    def _work(self, slot: _Slot, message: bytes) -> None:
        left = None if self._deadline is None else self._deadline - self._clock.monotonic()
        call = replace(self._call, time_left_s=left, on_withdrawn=slot.on_withdrawn, note=None)
        slot.reply = self._answer(message, call)
        self._room.release()
        with self._lock:
            # Sent under the lock: two threads that found answers at the head must not swap them on the way out.
            while self._slots and (reply := self._slots[0].reply) is not None:
                self._slots.popleft()
                self._replies.send(reply)
            done = self._complete and not self._slots and not self._over
        if done:
            self._replies.finish()

    def _answer(self, message: bytes, call: Call) -> bytes:
        answer = pb.ModelStreamInferResponse()
        try:
            self._inference.fill(answer.infer_response, message, call)
            answer.infer_response.parameters[FINAL].bool_param = True
        except Exception as error:  # noqa: BLE001  the pool would keep it to itself, and the client would wait for ever
            known = error if isinstance(error, HeadraceError) else unexpected("ModelStreamInfer", error)
            name = answer.infer_response.id
            answer = pb.ModelStreamInferResponse(error_message=status_details(known))
            answer.infer_response.id = name
        return bytes(answer.SerializeToString())


class _Slot:
    """One request of a stream, until its answer is sent."""

    def __init__(self) -> None:
        self.reply: bytes | None = None
        self._lock = threading.Lock()
        self._withdrawn = False
        self._watch: Callable[[], None] | None = None

    def on_withdrawn(self, watch: Callable[[], None]) -> bool:
        """Call `watch` when the stream is over; False where it is."""
        with self._lock:
            if not self._withdrawn:
                self._watch = watch
            return not self._withdrawn

    def withdraw(self) -> None:
        """Note that nobody waits for the answer."""
        with self._lock:
            self._withdrawn = True
            watch, self._watch = self._watch, None
        if watch is not None:
            watch()
