"""Where in the user's project a definition was written, for error messages."""

from __future__ import annotations

import inspect
import os
from types import FrameType


def caller_location() -> str:
    """`file:line` of the nearest caller outside this package, relative to the working folder where it lies below."""
    frame: FrameType | None = inspect.currentframe()
    while frame is not None and frame.f_globals.get("__name__", "").startswith(__package__ or ""):
        frame = frame.f_back
    if frame is None:
        return "<unknown>"
    file = frame.f_code.co_filename
    relative = os.path.relpath(file) if os.path.isabs(file) else file  # noqa: PTH117
    return f"{file if relative.startswith('..') else relative}:{frame.f_lineno}"


def located_hint(location: str, hint: str | None) -> str:
    """The hint of an error about a definition: where it was written, then what to do."""
    return f"{location} · {hint}" if hint else location
