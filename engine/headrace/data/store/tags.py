"""Tags: names for versions. A tagged version is not vacuumed, and a tag says which content it means."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from headrace.core.errors import AlreadyExistsError, CorruptedError, InvalidInputError, NotFoundError, did_you_mean
from headrace.core.files import write_atomic
from headrace.data.commit_log import read_log
from headrace.data.commits import writer_lock
from headrace.data.store.versions import check_present, find_commit

_TAG = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,62}")


@dataclass(frozen=True)
class Tag:
    """A name for a version.

    Attributes:
        tag: letters, digits, `_`, `.` and `-`, a letter first.
        version: the version's number.
        digest: of its content.
        at: when the tag was set, ISO 8601, UTC.
        note: why.
    """

    tag: str
    version: int
    digest: str
    at: str
    note: str = ""


def tags_file(path: Path) -> Path:
    """Where a table's tags are: beside its folder, written whole or not at all."""
    return path.parent / f".{path.name}.tags.json"


def read_tags(path: Path) -> dict[str, Tag]:
    """A table's tags by name.

    Raises:
        CorruptedError: the file cannot be read.
    """
    file = tags_file(path)
    try:
        told = json.loads(file.read_text())
        return {name: Tag(**about) for name, about in told["tags"].items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise CorruptedError(f"the tags of table '{path.name}' cannot be read: {file}: {error}") from error


def set_tag(path: Path, tag: str, version: int | None, *, note: str = "", move: bool = False) -> Tag:
    """Name a version; the newest where no number is given. A tag that is there already stays unless it may move."""
    if not _TAG.fullmatch(tag):
        raise InvalidInputError(f"'{tag}' is no tag; use letters, digits, '_', '.' and '-', beginning with a letter")
    with writer_lock(path):
        log = read_log(path)
        commit = find_commit(path.name, log, version, None)
        check_present(path.name, log, commit)
        tags = read_tags(path)
        there = tags.get(tag)
        if there is not None and there.version == commit.version:
            return there
        if there is not None and not move:
            raise AlreadyExistsError(
                f"table '{path.name}' has tag '{tag}' at version {there.version}", hint="move it with --move"
            )
        made = Tag(tag, commit.version, commit.digest, datetime.now(UTC).isoformat(timespec="milliseconds"), note)
        _write(path, {**tags, tag: made})
    return made


def delete_tag(path: Path, tag: str) -> None:
    """Take a name away; the version stays."""
    with writer_lock(path):
        tags = read_tags(path)
        find_tag(path, tag)
        _write(path, {name: about for name, about in tags.items() if name != tag})


def find_tag(path: Path, tag: str) -> Tag:
    """A tag by its name.

    Raises:
        NotFoundError: there is no such tag.
    """
    tags = read_tags(path)
    if tag not in tags:
        raise NotFoundError(
            f"table '{path.name}' has no tag '{tag}'; it has: {', '.join(sorted(tags)) or 'none'}",
            hint=did_you_mean(tag, tags),
        )
    return tags[tag]


def _write(path: Path, tags: dict[str, Tag]) -> None:
    content = {"format": 1, "tags": {name: asdict(tag) for name, tag in sorted(tags.items())}}
    write_atomic(tags_file(path), json.dumps(content, indent=2).encode())
