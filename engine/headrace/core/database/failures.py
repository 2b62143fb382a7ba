"""What a database's failures are called here: a user who reads a command's error should not meet a driver's."""

from __future__ import annotations

import sqlalchemy as sa

from headrace.core.errors import PermissionDeniedError, UnavailableError

_INSUFFICIENT_PRIVILEGE = "42501"  # SQLSTATE


def translate_failures(engine: sa.Engine, shown: str) -> None:
    """Raise errors of ours where the database is away, full, locked for too long, or refuses the user.

    Errors that a statement caused (a broken rule, a bad value) stay what they are.

    Args:
        engine: whose failures.
        shown: the database for messages, without a password.
    """

    @sa.event.listens_for(engine, "handle_error")
    def _on_error(context: sa.engine.ExceptionContext) -> None:
        if context.is_pre_ping:  # the pool asks whether a connection lives, and opens another one
            return
        cause = context.original_exception
        if getattr(cause, "sqlstate", None) == _INSUFFICIENT_PRIVILEGE:
            raise PermissionDeniedError(
                f"{shown} does not allow this: {first_line(cause)}", hint="ask for the right, or use another user"
            ) from cause
        if isinstance(context.sqlalchemy_exception, sa.exc.OperationalError):
            raise UnavailableError(f"{shown} cannot be used: {first_line(cause)}") from cause


def first_line(error: BaseException) -> str:
    """The first line of what a driver says."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
