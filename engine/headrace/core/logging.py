"""Logs are events with fields, not sentences: JSON lines, or a readable form on a terminal. They go to stderr."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from contextlib import suppress
from types import MappingProxyType
from typing import Any

import structlog

_LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40, "critical": 50}


def configure_logging(
    log_format: str = "auto", *, level: str = "info", fields: Mapping[str, object] = MappingProxyType({})
) -> None:
    """Set the process's log form once, at the edge.

    Args:
        log_format: `auto`, `console` or `json`; `auto` is console on a terminal and JSON elsewhere.
        level: the lowest level that is written: debug, info, warning, error.
        fields: what every event of this process carries.
    """
    console = log_format == "console" or (log_format == "auto" and sys.stderr.isatty())
    renderer: Any = structlog.dev.ConsoleRenderer() if console else structlog.processors.JSONRenderer()
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            lambda _logger, _method, event: {**fields, **event},
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        # One write a line: several processes share a stderr, and theirs must not come between a text and its end.
        logger_factory=structlog.WriteLoggerFactory(file=_Stderr()),  # type: ignore[arg-type]  # it only writes and flushes
        cache_logger_on_first_use=False,
    )


def get_level() -> str:
    """The lowest level that is written: debug, info, warning, error, critical."""
    number: int = structlog.get_logger().get_effective_level()
    return next((name for name, level in _LEVELS.items() if number <= level), "critical")


def set_level(level: str) -> None:
    """Write events of this level and graver ones from now on; the form stays."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]))


class _Stderr:
    """The process's stderr of the moment. A line that cannot be written is dropped: a log must never stop the work."""

    def write(self, text: str) -> int:
        """Write to whatever stderr is now."""
        with suppress(OSError, ValueError):  # a closed pipe, a closed file
            sys.stderr.write(text)
        return len(text)

    def flush(self) -> None:
        """Flush whatever stderr is now."""
        with suppress(OSError, ValueError):
            sys.stderr.flush()


def get_logger(name: str) -> Any:
    """Logger whose events carry the name of the part that speaks."""
    # Not .bind(): that would fix today's configuration in a logger made at import, before the edge has set one.
    return structlog.get_logger(part=name)
