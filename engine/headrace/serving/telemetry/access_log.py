"""The access log: one line a request, written when it is answered.

Of ModelInfer requests and streams a share gets a line; calls that change the server always do; a call that is refused
or fails does too, as far as the budget of such lines goes: a flood of refusals must not become a flood of lines.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace

from headrace.core.clock import Clock
from headrace.core.errors import HeadraceError
from headrace.core.logging import get_logger
from headrace.serving.access.scopes import Scope, scope_of
from headrace.serving.telemetry.line_budget import LineBudget
from headrace.serving.telemetry.note import RequestNote
from headrace.serving.telemetry.watched_stream import open_watched
from headrace.serving.transport.seam import Answered, Application, Call, Conversation, Kind, Replies
from headrace.wire.status import STATUS_NAMES

_LOG = get_logger("access")

REFUSED_LINES_PER_S = 10.0
REFUSED_BURST = 100
MAX_TEXT = 200
"""Characters of a text that a client chose."""


class AccessLog:
    """An application that is written about.

    Args:
        application: who answers.
        share: of ModelInfer requests and streams that get a line, 0 to 1.
        clock: monotonic time.
        chance: random numbers of [0, 1) that pick them.
    """

    def __init__(
        self, application: Application, *, share: float, clock: Clock, chance: Callable[[], float] = random.random
    ) -> None:
        self._application = application
        self._share = share
        self._clock = clock
        self._chance = chance
        self._refused = LineBudget(lines_per_s=REFUSED_LINES_PER_S, burst=REFUSED_BURST, clock=clock)

    def kind(self, path: str) -> Kind | None:
        """As the application's."""
        return self._application.kind(path)

    def answer(self, path: str, message: bytes, call: Call) -> bytes:
        """Answer as the application does, and write of it."""
        start = self._clock.monotonic()
        call = replace(call, note=RequestNote())
        try:
            response = self._application.answer(path, message, call)
        except HeadraceError as error:
            self.tell(path, call, start, error)
            raise
        self.tell(path, call, start, None)
        return response

    def open(self, path: str, call: Call, replies: Replies) -> Conversation:
        """Begin a stream as the application does, and write of it when it is over."""
        start = self._clock.monotonic()
        call = replace(call, note=RequestNote())
        return open_watched(
            lambda watched: self._application.open(path, call, watched),
            replies,
            lambda error: self.tell(path, call, start, error),
        )

    def tell(self, path: str, call: Call, start: float, error: Exception | None) -> None:
        """Write the line, if it gets one."""
        if error is not None or self._gets_line(path):
            self._write(path, call, self._clock.monotonic() - start, error)

    def tell_of(self, path: str, answered: Answered, caller: str) -> None:
        """Write of a request that a transport answered by itself, and picked to be told of."""
        call = Call(None, lambda _: False, peer=answered.peer, note=replace(answered.note, caller=caller))
        self._write(path, call, answered.seconds, answered.error, answered.kept_back)

    def _write(self, path: str, call: Call, seconds: float, error: Exception | None, unseen: int = 0) -> None:
        extra: dict[str, str | int] = {}
        if error is not None:
            kept_back = self._refused.take(unseen)
            if kept_back is None:
                return
            extra = {"error": str(error)[:MAX_TEXT]} | ({"lines_kept_back": kept_back} if kept_back else {})
        _LOG.info("request", **_fields(path, call, seconds), status=_status(error), **extra)

    def _gets_line(self, path: str) -> bool:
        scope = scope_of(path)
        if scope is Scope.INFER:
            return self._share > 0 and self._chance() < self._share
        return scope in {Scope.CONTROL, Scope.ALL}


def _status(error: Exception | None) -> str:
    if error is None:
        return "OK"
    return STATUS_NAMES[error.code] if isinstance(error, HeadraceError) else "INTERNAL"


def _fields(path: str, call: Call, seconds: float) -> dict[str, str | int]:
    note = call.note
    assert note is not None
    fields: dict[str, str | int] = {
        "method": path.rpartition("/")[2],
        "model": note.model[:MAX_TEXT],
        "version": note.version,
        "rows": note.rows,
        "queue_us": note.queue_us,
        "total_us": int(seconds * 1e6),
        "peer": call.peer,
        "key": note.caller,
        "request_id": note.request_id[:MAX_TEXT],
    }
    return fields | ({"trace_id": note.trace_id} if note.trace_id else {})
