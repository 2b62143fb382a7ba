"""A stream whose end is told to somebody, with the error it ended with."""

from __future__ import annotations

from collections.abc import Callable

from headrace.core.errors import HeadraceError
from headrace.serving.transport.seam import Conversation, Replies

Tell = Callable[[Exception | None], None]


def open_watched(begin: Callable[[Replies], Conversation], replies: Replies, tell: Tell) -> Conversation:
    """Begin a stream, and call `tell` once when it is over, or when it could not begin.

    Raises:
        HeadraceError: the stream could not begin.
    """
    watched = _WatchedReplies(replies)
    try:
        return _WatchedConversation(begin(watched), watched, tell)
    except HeadraceError as error:
        tell(error)
        raise


class _WatchedReplies:
    """Replies that remember how the stream ended."""

    def __init__(self, replies: Replies) -> None:
        self._replies = replies
        self.error: Exception | None = None

    def send(self, message: bytes) -> None:
        self._replies.send(message)

    def finish(self, error: Exception | None = None) -> None:
        self.error = error
        self._replies.finish(error)


class _WatchedConversation:
    """A conversation whose end is told."""

    def __init__(self, conversation: Conversation, replies: _WatchedReplies, tell: Tell) -> None:
        self._conversation = conversation
        self._replies = replies
        self._tell = tell

    def received(self, message: bytes) -> None:
        try:
            self._conversation.received(message)
        except HeadraceError as error:
            self._replies.error = error
            raise

    def half_closed(self) -> None:
        self._conversation.half_closed()

    def ended(self) -> None:
        self._conversation.ended()
        self._tell(self._replies.error)
