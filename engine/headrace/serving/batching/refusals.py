"""What a client is told that is refused for the load; the same words from every transport, and every time.

They have no figures of the moment: a text that stays the same is one byte on a connection once it was sent there, and
refusing has to be cheap when there is much to refuse.
"""

from __future__ import annotations

from headrace.core.errors import ExhaustedError
from headrace.serving.config import BatchingConfig

_HINT = "try again in a moment, or send to another replica"


def queue_full(name: str, config: BatchingConfig) -> ExhaustedError:
    """Too many rows wait for the version of this name."""
    return ExhaustedError(f"the queue of {name} is full: at most {config.max_queue_rows} rows may wait", hint=_HINT)


def over_target(name: str, target_ms: float) -> ExhaustedError:
    """The answer would come too late."""
    return ExhaustedError(
        f"{name} is overloaded: the answer would come after the target of {target_ms:g} ms", hint=_HINT
    )
