"""The door to Delta: one commit a version, found again by its transaction id, swept clean after a crash.

Nothing outside this module imports deltalake. What the store needs to know about a version (rows, digests, types,
transaction id) travels in the commit itself, so that it is there exactly when the version is.
"""

from __future__ import annotations

import fcntl
import os
import random
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headrace.core.errors import UnavailableError
from headrace.core.hashing import canonical_json
from headrace.data.commit_log import METADATA_KEY, Commit, entry_path, named_files, read_commits
from headrace.data.digests import TableDigest
from headrace.data.interrupts import interrupt_held
from headrace.data.types import table_dtypes

if TYPE_CHECKING:
    import pyarrow as pa

ATTEMPTS = 8
BACKOFF_S = 0.02
KEEP_EVERY_VERSION = {
    "delta.enableExpiredLogCleanup": "false",
    "delta.logRetentionDuration": "interval 36500 days",
    "delta.deletedFileRetentionDuration": "interval 36500 days",
}


def commit_table(path: Path, table: pa.Table, *, digest: TableDigest, transaction: str) -> Commit:
    """Replace the table's content in one commit, or find the commit that this transaction already made.

    A commit lost to a writer that knows no lock is tried again after a jittered, doubling pause; a Ctrl-C waits for the
    end of an attempt. When the call returns, the data, the log entry and their folders are synced.

    Raises:
        UnavailableError: every attempt was lost, or the folder cannot be written.
    """
    dtypes = table_dtypes(table)
    facts = {
        "transaction": transaction,
        "digest": digest.value,
        "rows": digest.rows,
        "columns": [[name, dtypes[name], column] for name, column in digest.columns.items()],
    }
    whole = table.combine_chunks()  # delta-rs writes several batches in any order; one batch keeps the rows' order
    failure: Exception | None = None
    with _writing(path):
        for attempt in range(ATTEMPTS):
            with interrupt_held():
                done = _made_by(path, transaction)
                if done is not None:
                    return done
                failure = _attempt(path, whole, facts)
                if failure is None:
                    done = _made_by(path, transaction)
                    assert done is not None, "a commit that returned is in the log"
                    _sync(path, done)
                    return done
            time.sleep(BACKOFF_S * 2**attempt * (0.5 + random.random()))  # noqa: S311  # jitter, not a secret
    raise UnavailableError(f"table folder {path} could not be written in {ATTEMPTS} attempts: {failure}") from failure


def _attempt(path: Path, table: pa.Table, facts: Mapping[str, Any]) -> Exception | None:
    """Commit once; gives the error where the attempt was lost."""
    from deltalake import CommitProperties, PostCommitHookProperties, Transaction, write_deltalake
    from deltalake.exceptions import DeltaError

    try:
        write_deltalake(
            path,
            table,
            mode="overwrite",
            schema_mode="overwrite",
            configuration=KEEP_EVERY_VERSION,
            commit_properties=CommitProperties(
                custom_metadata={METADATA_KEY: canonical_json(facts).decode()},
                app_transactions=[Transaction(facts["transaction"], 1)],
            ),
            post_commithook_properties=PostCommitHookProperties(cleanup_expired_logs=False),
        )
    except (DeltaError, OSError) as error:
        return error
    return None


def _made_by(path: Path, transaction: str) -> Commit | None:
    return next((commit for commit in read_commits(path) if commit.transaction == transaction), None)


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    """Hold the table's writer lock, and sweep what a killed writer left behind.

    One writer at a time: the look whether a transaction was made before and the commit that makes it are one step.
    Readers take no lock. The kernel drops the lock with the process, so a kill never leaves it held.
    """
    path.mkdir(parents=True, exist_ok=True)
    with (path.parent / f".{path.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        _sweep(path)
        yield


def _sweep(path: Path) -> None:
    """Delete data files that no version names, and unfinished log entries."""
    named = named_files(path)
    if named is None:
        return  # the log was shortened by another program: what its files name is not known
    for file in path.glob("*.parquet*"):  # also `x.parquet#1`, as the library calls a file it is still writing
        if file.name not in named:
            file.unlink()
    for pattern in ("*.tmp", "*#*"):
        for unfinished in (path / "_delta_log").glob(pattern):
            unfinished.unlink()


def _sync(path: Path, commit: Commit) -> None:
    entry = entry_path(path, commit.version)
    for item in [*(path / name for name in commit.files), entry, entry.parent, path]:
        handle = os.open(item, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
