"""How a person names a version: `flights`, `flights@3`, `flights@frozen`, `flights@2026-03-01T12:00`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from headrace.data.store.tags import find_tag
from headrace.data.store.versions import TableVersion

if TYPE_CHECKING:
    from headrace.data.store.tables import TableStore


def resolve(store: TableStore, reference: str) -> TableVersion:
    """Find the version that a reference names.

    Args:
        store: the tables.
        reference: a table, alone or with `@` and a version's number, a tag, or a time in ISO 8601 (UTC where it says
            no zone; the version that was the newest then). Alone, and with `@latest`, it is the newest version.

    Raises:
        NotFoundError: there is no such table, version or tag.
    """
    name, _, which = reference.partition("@")
    if which in ("", "latest"):
        return store.latest(name)
    if which.isdecimal():
        return store.find(name, version=int(which))
    tags = store.tags(name)
    if which in tags:
        return store.find(name, version=tags[which].version)
    try:
        at = datetime.fromisoformat(which)
    except ValueError:
        find_tag(store.root / name, which)
        raise
    return store.find(name, at=at if at.tzinfo is not None else at.replace(tzinfo=UTC))
