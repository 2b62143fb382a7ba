"""Transactions that only read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa

_READ_ONLY = "headrace_read_only"


@contextmanager
def reading(engine: sa.Engine) -> Iterator[sa.Connection]:
    """Give a connection that sees one consistent state and neither waits for a writer nor makes one wait."""
    with engine.execution_options(**{_READ_ONLY: True}).begin() as connection:
        yield connection


def is_read_only(connection: sa.Connection) -> bool:
    """Whether the connection was opened by `reading`."""
    return bool(connection.get_execution_options().get(_READ_ONLY, False))
