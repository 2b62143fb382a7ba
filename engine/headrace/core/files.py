"""Files that are whole or absent: staged beside their target, synced, then renamed."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from headrace.core.errors import AlreadyExistsError


def write_atomic(path: Path, content: bytes) -> None:
    """Write a file so that a reader, or a crash at any moment, sees the old content or the new, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, staged = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as out:
            out.write(content)
            out.flush()
            os.fsync(out.fileno())
        Path(staged).replace(path)
    except BaseException:
        Path(staged).unlink(missing_ok=True)
        raise
    _sync_directory(path.parent)


@contextmanager
def staged_directory(target: Path, *, replace: bool = False) -> Iterator[Path]:
    """Give a scratch folder that becomes `target` when the block ends without an exception.

    On any exception, Ctrl-C included, the scratch folder is removed and `target` is untouched.

    Args:
        target: the folder to create.
        replace: allow an existing target to be replaced.

    Raises:
        AlreadyExistsError: the target exists and `replace` is false.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    staged = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    try:
        yield staged
        for file in staged.rglob("*"):
            if file.is_file():
                _sync_file(file)
        if target.exists():
            if not replace:
                raise AlreadyExistsError(f"{target} exists already")  # noqa: TRY301
            retired = staged.with_name(f"{staged.name}.old")
            target.rename(retired)
            staged.rename(target)
            shutil.rmtree(retired)
        else:
            staged.rename(target)
    except BaseException:
        shutil.rmtree(staged, ignore_errors=True)
        raise
    target.chmod(0o755)
    _sync_directory(target.parent)


def _sync_file(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _sync_directory(path: Path) -> None:
    _sync_file(path)
