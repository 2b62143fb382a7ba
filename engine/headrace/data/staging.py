"""Where data files wait until a commit names them: beside the tables, out of every reader's sight.

A writer holds a lock on its folder for as long as it lives. The kernel drops the lock with the process, so whoever
comes next knows which folders belong to nobody any more.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from headrace.data.file_stats import FileStats, stats_of_file

if TYPE_CHECKING:
    import pyarrow as pa

_ROOM = ".staging"
_DOOR = ".staging.lock"
_LOCK = "lock"
COMPRESSION = "snappy"


class Staging:
    """A writer's folder.

    Attributes:
        folder: where its files are until they are adopted.
        stats: what each file holds, by its name.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.stats: dict[str, FileStats] = {}

    def new_name(self) -> str:
        """A name that no other file has."""
        return f"part-{uuid.uuid4().hex}.parquet"

    def store(self, table: pa.Table) -> str:
        """Write a table to a new file and sync it; its name. May be called from several threads at once."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        name = self.new_name()
        # A dictionary of floats would give NaNs one payload; of other numbers it is seldom worth its time.
        strings = [field.name for field in table.schema if pa.types.is_string(field.type)]
        with (self.folder / name).open("wb") as out:
            with pq.ParquetWriter(out, table.schema, compression=COMPRESSION, use_dictionary=strings) as writer:
                writer.write_table(table, row_group_size=max(table.num_rows, 1))
            out.flush()
            os.fsync(out.fileno())
        self.stats[name] = stats_of_file(pq.read_metadata(self.folder / name))
        return name

    def link(self, source: Path, stats: FileStats) -> str:
        """Give a file of the table another name: Delta lets a commit that changes the schema keep no file as it is."""
        name = self.new_name()
        try:
            os.link(source, self.folder / name)
        except OSError:  # a file system without links
            shutil.copyfile(source, self.folder / name)
        self.stats[name] = stats
        return name

    def adopt(self, names: set[str], target: Path) -> None:
        """Move files that were made here into the table's folder; those that are there already stay."""
        for name in names & self.stats.keys():
            if (self.folder / name).exists():
                (self.folder / name).rename(target / name)


@contextmanager
def staging(table: Path) -> Iterator[Staging]:
    """Open a folder for a writer of the table; what it left there goes with it."""
    room = table.parent / _ROOM
    folder = room / f"{table.name}-{uuid.uuid4().hex}"
    with _door(table, fcntl.LOCK_SH):  # nobody looks for dead writers until the folder is locked
        folder.mkdir(parents=True)
        lock = (folder / _LOCK).open("w")
        fcntl.flock(lock, fcntl.LOCK_EX)
    with lock:
        try:
            yield Staging(folder)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
            with _door(table, fcntl.LOCK_EX), suppress(OSError):  # others are in it
                room.rmdir()


def sweep_staging(table: Path) -> None:
    """Remove the folders of the table's writers that are dead."""
    room = table.parent / _ROOM
    if not room.exists():
        return
    with _door(table, fcntl.LOCK_EX):
        for folder in room.glob(f"{table.name}-*"):
            if len(folder.name) == len(table.name) + 33 and _is_dead(folder):
                shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _door(table: Path, operation: int) -> Iterator[None]:
    """Hold the lock between those who open a folder, shared, and those who remove what has no owner."""
    table.parent.mkdir(parents=True, exist_ok=True)
    with (table.parent / _DOOR).open("w") as door:
        fcntl.flock(door, operation)
        yield


def _is_dead(folder: Path) -> bool:
    try:
        with (folder / _LOCK).open("r") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
    except FileNotFoundError:
        return True  # its owner is removing it, or died while it did
    except OSError:
        return False
