"""One tree of errors with transport-neutral codes.

A message says what was wrong, the value, what is allowed; `hint` says what to do next. One table here maps codes to
exit codes; the table that maps them to gRPC status codes lives in `headrace.wire.status`.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from enum import Enum
from typing import ClassVar


class Code(Enum):
    """What kind of failure it was, in words no transport owns."""

    INVALID = "invalid"
    NOT_FOUND = "not_found"
    ALREADY_EXISTS = "already_exists"
    CORRUPTED = "corrupted"
    FAILED_CHECK = "failed_check"
    EXHAUSTED = "exhausted"
    DEADLINE = "deadline"
    CANCELLED = "cancelled"
    UNAVAILABLE = "unavailable"
    UNIMPLEMENTED = "unimplemented"
    UNAUTHENTICATED = "unauthenticated"
    PERMISSION_DENIED = "permission_denied"
    INTERNAL = "internal"


EXIT_CODES: dict[Code, int] = {
    Code.INTERNAL: 1,
    Code.INVALID: 2,
    Code.NOT_FOUND: 3,
    Code.ALREADY_EXISTS: 4,
    Code.CORRUPTED: 5,
    Code.FAILED_CHECK: 6,
    Code.UNAVAILABLE: 7,
    Code.EXHAUSTED: 8,
    Code.DEADLINE: 9,
    Code.UNIMPLEMENTED: 10,
    Code.UNAUTHENTICATED: 11,
    Code.PERMISSION_DENIED: 12,
    Code.CANCELLED: 130,
}


class HeadraceError(Exception):
    """Root of the project's errors.

    Args:
        message: what was wrong, the value, what is allowed.
        hint: what to do next; shown on a line of its own.
    """

    code: ClassVar[Code] = Code.INTERNAL

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    @property
    def exit_code(self) -> int:
        """Exit code of a command that ends with this error."""
        return EXIT_CODES[self.code]


class InvalidInputError(HeadraceError):
    """A value from outside is not what is allowed."""

    code = Code.INVALID


class DefinitionError(InvalidInputError):
    """A project definition (table, feature, model) contradicts itself or its tables."""


class SourceError(InvalidInputError):
    """A data source cannot be read as declared."""


class NotFoundError(HeadraceError):
    """The named thing does not exist."""

    code = Code.NOT_FOUND


class AlreadyExistsError(HeadraceError):
    """The name, version or port is taken."""

    code = Code.ALREADY_EXISTS


class CorruptedError(HeadraceError):
    """Stored content does not match its digest or format."""

    code = Code.CORRUPTED


class FailedCheckError(HeadraceError):
    """A validation check or an evaluation gate failed."""

    code = Code.FAILED_CHECK


class ExhaustedError(HeadraceError):
    """A bounded resource (queue, budget) is full."""

    code = Code.EXHAUSTED


class DeadlineError(HeadraceError):
    """The deadline passed before the work was done."""

    code = Code.DEADLINE


class CancelledError(HeadraceError):
    """The caller withdrew the work."""

    code = Code.CANCELLED


class UnavailableError(HeadraceError):
    """The service is not (or no longer) taking work."""

    code = Code.UNAVAILABLE


class UnimplementedError(HeadraceError):
    """The request is understood and not supported here."""

    code = Code.UNIMPLEMENTED


class UnauthenticatedError(HeadraceError):
    """The caller did not say who it is, or what it said is not known."""

    code = Code.UNAUTHENTICATED


class PermissionDeniedError(HeadraceError):
    """The caller is known and may not do this."""

    code = Code.PERMISSION_DENIED


def did_you_mean(name: str, known: Iterable[str]) -> str | None:
    """Hint naming the nearest known name, or None when nothing is near."""
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f"did you mean '{near[0]}'?" if near else None
