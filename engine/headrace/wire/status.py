"""Which gRPC status an error becomes on the wire, and which error a status becomes at the client."""

from __future__ import annotations

from headrace.core.errors import (
    AlreadyExistsError,
    CancelledError,
    Code,
    CorruptedError,
    DeadlineError,
    ExhaustedError,
    FailedCheckError,
    HeadraceError,
    InvalidInputError,
    NotFoundError,
    PermissionDeniedError,
    UnauthenticatedError,
    UnavailableError,
    UnimplementedError,
)

STATUS_NUMBERS: dict[Code, int] = {
    Code.CANCELLED: 1,
    Code.INVALID: 3,
    Code.DEADLINE: 4,
    Code.NOT_FOUND: 5,
    Code.ALREADY_EXISTS: 6,
    Code.PERMISSION_DENIED: 7,
    Code.EXHAUSTED: 8,
    Code.FAILED_CHECK: 9,
    Code.UNIMPLEMENTED: 12,
    Code.INTERNAL: 13,
    Code.UNAVAILABLE: 14,
    Code.CORRUPTED: 15,
    Code.UNAUTHENTICATED: 16,
}
"""gRPC status number of each code. Reference: gRPC status codes, https://grpc.io/docs/guides/status-codes/."""

STATUS_NAMES: dict[Code, str] = {
    Code.CANCELLED: "CANCELLED",
    Code.INVALID: "INVALID_ARGUMENT",
    Code.DEADLINE: "DEADLINE_EXCEEDED",
    Code.NOT_FOUND: "NOT_FOUND",
    Code.ALREADY_EXISTS: "ALREADY_EXISTS",
    Code.PERMISSION_DENIED: "PERMISSION_DENIED",
    Code.EXHAUSTED: "RESOURCE_EXHAUSTED",
    Code.FAILED_CHECK: "FAILED_PRECONDITION",
    Code.UNIMPLEMENTED: "UNIMPLEMENTED",
    Code.INTERNAL: "INTERNAL",
    Code.UNAVAILABLE: "UNAVAILABLE",
    Code.CORRUPTED: "DATA_LOSS",
    Code.UNAUTHENTICATED: "UNAUTHENTICATED",
}
"""gRPC status name of each code, as metrics and logs show it."""

_ERRORS: dict[int, type[HeadraceError]] = {
    STATUS_NUMBERS[error.code]: error
    for error in (
        AlreadyExistsError,
        CancelledError,
        CorruptedError,
        DeadlineError,
        ExhaustedError,
        FailedCheckError,
        InvalidInputError,
        NotFoundError,
        PermissionDeniedError,
        UnauthenticatedError,
        UnavailableError,
        UnimplementedError,
    )
}

_HINT_SEPARATOR = "\n  hint: "

_MAX_DETAILS_BYTES = 1500
"""Details travel in the trailers, percent-encoded; clients refuse header fields of more than 8 KiB altogether."""


def status_details(error: HeadraceError) -> str:
    """Text that carries an error's message and hint in one status: never empty, never too long for the trailers."""
    message = _shorten(error.message or f"{type(error).__name__} without a message")
    return f"{message}{_HINT_SEPARATOR}{_shorten(error.hint)}" if error.hint else message


def _shorten(text: str) -> str:
    content = text.encode("utf-8", "replace")
    if len(content) <= _MAX_DETAILS_BYTES:
        return text
    return f"{content[:_MAX_DETAILS_BYTES].decode('utf-8', 'ignore')} ... ({len(content)} bytes in all)"


def error_from_status(number: int, details: str | None) -> HeadraceError:
    """Build the error that a status stands for; an unknown number becomes the root error."""
    message, _, hint = (details or f"the server answered with status {number} and no text").partition(_HINT_SEPARATOR)
    return _ERRORS.get(number, HeadraceError)(message, hint=hint or None)
