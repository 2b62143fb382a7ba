"""What becomes known of one request on its way, for whoever tells of it afterwards: access log, traces."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class RequestNote:
    """Filled in by those who learn it; one thread at a time writes, readers come after the answer.

    Attributes:
        model: the model's name as the client gave it; empty until the request is parsed.
        version: who answers; empty until it is picked.
        request_id: the client's id, or the one it was given.
        rows: rows of the request.
        caller: name of the API key; empty without access control.
        trace_id: 32 hexadecimal digits; empty where the request is not traced.
        enqueued_at: monotonic seconds at which it entered the queue; 0: it never did.
        taken_at: monotonic seconds at which its batch was taken; 0: never.
    """

    model: str = ""
    version: str = ""
    request_id: str = ""
    rows: int = 0
    caller: str = ""
    trace_id: str = ""
    enqueued_at: float = 0.0
    taken_at: float = 0.0

    @property
    def queue_us(self) -> int:
        """Microseconds it waited for its batch."""
        return int((self.taken_at - self.enqueued_at) * 1e6) if self.taken_at else 0
