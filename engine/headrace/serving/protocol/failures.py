"""What a client may see of an error that nobody foresaw."""

from __future__ import annotations

from uuid import uuid4

from headrace.core.errors import HeadraceError
from headrace.core.logging import get_logger

_LOG = get_logger("serving")


def unexpected(path: str, error: Exception) -> HeadraceError:
    """Log an exception that nobody foresaw; the error a client may see, which names the log entry and nothing else."""
    correlation_id = uuid4().hex[:12]
    _LOG.error("request_failed", path=path, correlation_id=correlation_id, exc_info=error)
    return HeadraceError(f"{path.rpartition('/')[2]} failed; correlation id {correlation_id}")
