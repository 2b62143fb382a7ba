"""The door to Delta: one commit a version, found again by its transaction id, swept clean after a crash.

Nothing outside this module imports deltalake. What the store needs to know about a version (rows, digests, types,
transaction id) travels in the commit itself, so that it is there exactly when the version is.
"""

from __future__ import annotations

import fcntl
import json
import os
import random
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headrace.core.errors import CorruptedError, UnavailableError
from headrace.core.hashing import canonical_json
from headrace.data.digests import TableDigest
from headrace.data.types import table_dtypes

if TYPE_CHECKING:
    import pyarrow as pa

METADATA_KEY = "headrace"
MAINTENANCE = ("OPTIMIZE", "VACUUM START", "VACUUM END", "SET TBLPROPERTIES")
ATTEMPTS = 8
BACKOFF_S = 0.02
KEEP_EVERY_VERSION = {
    "delta.enableExpiredLogCleanup": "false",
    "delta.logRetentionDuration": "interval 36500 days",
    "delta.deletedFileRetentionDuration": "interval 36500 days",
}


@dataclass(frozen=True)
class Commit:
    """One version of a table, as its commit describes it.

    Attributes:
        version: counts from 0.
        transaction: the id it was written under.
        digest: of the whole content.
        rows: number of rows.
        columns: digest of each column, in column order.
        dtypes: vocabulary type of each column.
    """

    version: int
    transaction: str
    digest: str
    rows: int
    columns: Mapping[str, str]
    dtypes: Mapping[str, str]

    def files(self, path: Path) -> list[str]:
        """The version's Parquet files in row order: one writer numbers its parts."""
        from deltalake import DeltaTable

        return sorted(DeltaTable(path, version=self.version).file_uris())


def read_commits(path: Path) -> list[Commit]:
    """Versions of the table in a folder, oldest first; empty where there is no (whole) table.

    Raises:
        CorruptedError: the log cannot be read, or another program wrote to the table.
    """
    if not (path / "_delta_log").is_dir():
        return []
    from deltalake import DeltaTable
    from deltalake.exceptions import DeltaError

    if not DeltaTable.is_deltatable(str(path)):
        return []
    try:
        entries = DeltaTable(path).history()
    except DeltaError as error:
        raise CorruptedError(f"the log of table folder {path} cannot be read: {error}") from error
    return [_commit(path, entry) for entry in reversed(entries) if entry.get("operation") not in MAINTENANCE]


def _commit(path: Path, entry: dict[str, Any]) -> Commit:
    if METADATA_KEY not in entry:
        raise CorruptedError(
            f"version {entry.get('version')} of {path} was not written by Headrace, so nothing vouches for its content",
            hint="write through TableStore; other programs may read the folder, not write to it",
        )
    facts = json.loads(entry[METADATA_KEY])
    return Commit(
        version=entry["version"],
        transaction=facts["transaction"],
        digest=facts["digest"],
        rows=facts["rows"],
        columns={name: digest for name, _, digest in facts["columns"]},
        dtypes={name: dtype for name, dtype, _ in facts["columns"]},
    )


def commit_table(path: Path, table: pa.Table, *, digest: TableDigest, transaction: str) -> Commit:
    """Replace the table's content in one commit, or find the commit that this transaction already made.

    A commit lost to another writer is tried again after a jittered, doubling pause. When the call returns, the data,
    the log entry and their folders are synced.

    Raises:
        UnavailableError: every attempt was lost, or the folder cannot be written.
    """
    from deltalake import CommitProperties, PostCommitHookProperties, Transaction, write_deltalake
    from deltalake.exceptions import DeltaError

    dtypes = table_dtypes(table)
    facts = {
        "transaction": transaction,
        "digest": digest.value,
        "rows": digest.rows,
        "columns": [[name, dtypes[name], column] for name, column in digest.columns.items()],
    }
    properties = CommitProperties(
        custom_metadata={METADATA_KEY: canonical_json(facts).decode()},
        app_transactions=[Transaction(transaction, 1)],
    )
    whole = table.combine_chunks()  # delta-rs writes several batches in any order; one batch keeps the rows' order
    failure: Exception | None = None
    with _writing(path):
        for attempt in range(ATTEMPTS):
            done = _made_by(path, transaction)
            if done is not None:
                return done
            try:
                write_deltalake(
                    path,
                    whole,
                    mode="overwrite",
                    schema_mode="overwrite",
                    configuration=KEEP_EVERY_VERSION,
                    commit_properties=properties,
                    post_commithook_properties=PostCommitHookProperties(cleanup_expired_logs=False),
                )
            except (DeltaError, OSError) as error:
                failure = error
                time.sleep(BACKOFF_S * 2**attempt * (0.5 + random.random()))  # noqa: S311  # jitter, not a secret
                continue
            done = _made_by(path, transaction)
            assert done is not None, "a commit that returned is in the log"
            _sync(path, done)
            return done
    raise UnavailableError(f"table folder {path} could not be written in {ATTEMPTS} attempts: {failure}") from failure


def _made_by(path: Path, transaction: str) -> Commit | None:
    return next((commit for commit in read_commits(path) if commit.transaction == transaction), None)


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    """Hold the table's writer lock, shared; the first writer that is alone sweeps what a killed one left behind.

    The kernel drops the lock with the process, so a kill never leaves it held.
    """
    path.mkdir(parents=True, exist_ok=True)
    with (path.parent / f".{path.name}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _sweep(path)
        except BlockingIOError:
            pass  # another writer is at work: its unfinished files are not ours to judge
        fcntl.flock(lock, fcntl.LOCK_SH)
        yield


def _sweep(path: Path) -> None:
    """Delete data files that no version names, and unfinished log entries."""
    log = path / "_delta_log"
    entries = sorted(log.glob("*.json")) if log.is_dir() else []
    if entries and int(entries[0].stem) != 0:
        return  # the log was shortened by another program: what its files name is not known
    named = set()
    for entry in entries:
        for line in entry.read_text().splitlines():
            action = json.loads(line)
            if "add" in action:
                named.add(action["add"]["path"])
    for file in path.glob("*.parquet"):
        if file.name not in named:
            file.unlink()
    for unfinished in log.glob("*.tmp"):
        unfinished.unlink()


def _sync(path: Path, commit: Commit) -> None:
    log = path / "_delta_log"
    for item in [*map(Path, commit.files(path)), log / f"{commit.version:020d}.json", log, path]:
        handle = os.open(item, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
