"""The folder beside an output while it is built: what an interrupted run finished, for the next one to go on with.

Invariants: one process at a time holds the folder; its content belongs to exactly one piece of work, named by a key
over the plan, the inputs and the cut; only files that were renamed into place count.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from headrace.core.errors import UnavailableError
from headrace.core.files import write_atomic
from headrace.features.build.manifest import Manifest, manifest_path

_KEY = "work.json"
_PENDING = "manifest.json"
_STAGED = "output.partial"


@dataclass(frozen=True)
class WorkFolder:
    """A held folder.

    Attributes:
        path: the folder.
        output: what is being built.
        dropped: whether it held other work, which was removed.
    """

    path: Path
    output: Path
    dropped: bool

    @property
    def staged(self) -> Path:
        """The output before it is put in place."""
        return self.path / _STAGED

    def place(self, manifest: Manifest) -> None:
        """Put the staged output and its manifest in place, so that a crash between the two is mended by `recover`."""
        with self.staged.open("rb") as file:
            os.fsync(file.fileno())
        manifest.write(self.path / _PENDING)
        self.staged.replace(self.output)
        beside = manifest_path(self.output)
        manifest.write(beside)
        beside.chmod(self.output.stat().st_mode & 0o777)  # whoever may read the matrix may read what its columns are

    def group(self, number: int) -> Path:
        """Folder of one group's spills and parts."""
        return self.path / f"group-{number:02d}"

    def part(self, group: int, piece: int) -> Path:
        """File of one finished piece."""
        return self.group(group) / f"part-{piece:04d}"


@contextmanager
def work_folder(output: Path, key: str) -> Iterator[WorkFolder]:
    """Hold the folder beside an output; it is removed when the block ends without an exception, and stays otherwise.

    Args:
        output: what is being built.
        key: names the work; what another key left is removed.

    Raises:
        UnavailableError: another process is building this output.
    """
    path = _folder(output)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_name(f".{output.name}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UnavailableError(
                f"another process is building {output}", hint="wait for it, or choose another --output"
            ) from None
        dropped = path.is_dir() and _key_of(path) != key
        if dropped:
            shutil.rmtree(path)
        path.mkdir(exist_ok=True)
        write_atomic(path / _KEY, json.dumps({"key": key}).encode())
        (path / _PENDING).unlink(missing_ok=True)
        try:
            yield WorkFolder(path, output, dropped)
        except BaseException:
            if not any(path.glob("group-*/*")):
                shutil.rmtree(path)
                Path(lock.name).unlink(missing_ok=True)
            raise
        shutil.rmtree(path)
        Path(lock.name).unlink(missing_ok=True)


def discard(output: Path) -> None:
    """Forget that an output was built: its manifest and what an interrupted build left; the file itself stays.

    The next build computes everything and replaces the file.
    """
    manifest_path(output).unlink(missing_ok=True)
    shutil.rmtree(_folder(output), ignore_errors=True)


def recover(output: Path) -> None:
    """Finish what a crash left between putting a matrix in place and putting its manifest beside it."""
    path = _folder(output)
    pending = path / _PENDING
    if pending.is_file() and not (path / _STAGED).exists():
        pending.replace(manifest_path(output))


def _folder(output: Path) -> Path:
    return output.with_name(f"{output.name}.parts")


def _key_of(path: Path) -> str | None:
    try:
        key: str | None = json.loads((path / _KEY).read_bytes())["key"]
    except (OSError, ValueError, KeyError):
        return None
    return key
