"""The door to Delta: one commit a version, found again by its transaction id, swept clean after a crash.

Nothing outside this module imports deltalake. A commit is planned on the log as it is read, and made on exactly that
state or not at all: where another writer was first, it is planned anew on what that writer left.
"""

from __future__ import annotations

import fcntl
import os
import random
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from headrace.core.errors import UnavailableError
from headrace.core.hashing import canonical_json
from headrace.core.interrupts import interrupt_held
from headrace.data.commit_facts import METADATA_KEY, Commit, Facts
from headrace.data.commit_log import TableLog, begins_at_first_version, entry_path, read_log
from headrace.data.staging import Staging, sweep_staging
from headrace.data.types import arrow_type

ATTEMPTS = 40
BACKOFF_S = 0.02
LONGEST_BACKOFF_S = 1.0
KEEP_EVERY_VERSION = {
    "delta.enableExpiredLogCleanup": "false",
    "delta.logRetentionDuration": "interval 36500 days",
    "delta.deletedFileRetentionDuration": "interval 36500 days",
}


@dataclass(frozen=True)
class Plan:
    """What a commit does, decided on the log it is made on.

    Attributes:
        facts: what it says of itself.
        files: every data file of the table once it is made; those made by the writer come from its staging folder.
        dtypes: columns of the table once it is made.
        is_upkeep: no content changes: other readers of Delta are told so.
    """

    facts: Facts
    files: frozenset[str]
    dtypes: Mapping[str, str]
    is_upkeep: bool = False


Planner = Callable[[TableLog], Plan | None]


def commit(path: Path, transaction: str, made: Staging, plan: Planner) -> Commit | None:
    """Make one commit, or find the one that this transaction already made.

    A commit lost to a writer that knows no lock is tried again after a jittered, doubling pause, and planned again
    where that writer changed content or files; a Ctrl-C waits for the end of an attempt. When the call returns, the
    data, the log entry and their folders are synced.

    Args:
        path: the table's folder.
        transaction: applied at most once.
        made: where the plan's new files are.
        plan: given the log; may be called several times. None: there is nothing to commit.

    Returns:
        the version that the transaction made; for upkeep, and where there was nothing to commit, the newest one.

    Raises:
        UnavailableError: every attempt was lost, or the folder cannot be written.
    """
    failure: Exception | None = None
    with writer_lock(path):
        planned, planned_on = None, None
        for attempt in range(ATTEMPTS):
            log = read_log(path)
            if transaction in log.by_transaction:
                return _acknowledged(path, log.by_transaction[transaction].version, log, transaction)
            if planned_on is None or not log.has_content_of(planned_on):
                planned, planned_on = plan(log), log
            if planned is None:
                return log.newest
            with interrupt_held():
                made.adopt(set(planned.files), path)
                _sync(path)
                log = read_log(path)
                if not log.has_content_of(planned_on):
                    continue
                failure = _attempt(path, log, planned, made)
                if failure is None:
                    return _acknowledged(path, log.entries, read_log(path), transaction)
            time.sleep(min(BACKOFF_S * 2**attempt, LONGEST_BACKOFF_S) * (0.5 + random.random()))  # noqa: S311  # jitter
    raise UnavailableError(f"table folder {path} could not be written in {ATTEMPTS} attempts: {failure}") from failure


def _attempt(path: Path, log: TableLog, plan: Plan, made: Staging) -> Exception | None:
    """Commit once, as the entry behind those of the log; gives the error where the attempt was lost."""
    import pyarrow as pa
    from deltalake import CommitProperties, DeltaTable, PostCommitHookProperties, Schema, Transaction
    from deltalake.exceptions import DeltaError
    from deltalake.transaction import AddAction, RemoveAction, create_table_with_add_actions

    stats = {**log.file_stats, **made.stats}
    change = not plan.is_upkeep
    now_ms = int(time.time() * 1000)
    keeps_schema = log.newest is None or list(log.newest.dtypes.items()) == list(plan.dtypes.items())
    try:
        adds = [
            AddAction(name, (path / name).stat().st_size, {}, now_ms, change, stats[name].to_json())
            for name in sorted(plan.files - log.live)
        ]
        removes = [RemoveAction(name, change, now_ms) for name in sorted(log.live - plan.files)]
        schema = Schema.from_arrow(pa.schema([(name, arrow_type(dtype)) for name, dtype in plan.dtypes.items()]))
        properties = CommitProperties(
            custom_metadata={METADATA_KEY: canonical_json(plan.facts.to_json()).decode()},
            app_transactions=[Transaction(plan.facts.transaction, 1)],
            max_commit_retries=0,  # on this state or not at all
        )
        hooks = PostCommitHookProperties(cleanup_expired_logs=False)
        if not log.entries:
            create_table_with_add_actions(
                str(path),
                schema,
                adds,
                configuration=KEEP_EVERY_VERSION,
                commit_properties=properties,
                post_commithook_properties=hooks,
            )
            return None
        table = DeltaTable(path)
        if table.version() != log.entries - 1:
            return UnavailableError(f"another writer made version {table.version()} first")
        overwrites = bool(adds) and not plan.files & log.live  # this mode alone changes the schema
        assert keeps_schema or overwrites, "a new schema keeps no file under its name"
        table.create_write_transaction(
            [*adds, *(() if overwrites else removes)],
            mode="overwrite" if overwrites else "append",
            schema=schema,
            commit_properties=properties,
            post_commithook_properties=hooks,
        )
    except (DeltaError, OSError) as error:
        return error
    return None


def _acknowledged(path: Path, entry: int, log: TableLog, transaction: str) -> Commit | None:
    """Sync an entry that is in the log, and give its version."""
    _sync(entry_path(path, entry))
    _sync(path / "_delta_log")
    return log.by_transaction.get(transaction, log.newest)


@contextmanager
def writer_lock(*paths: Path) -> Iterator[None]:
    """Hold the writer locks of tables, and sweep what killed writers left behind.

    One committer at a time: the look whether a transaction was made before and the commit that makes it are one step.
    Readers take no lock. The kernel drops the lock with the process, so a kill never leaves it held.
    """
    with ExitStack() as held:
        for path in sorted(paths):
            path.mkdir(parents=True, exist_ok=True)
            lock = held.enter_context((path.parent / f".{path.name}.lock").open("w"))
            fcntl.flock(lock, fcntl.LOCK_EX)
            sweep(path)
        yield


def sweep(path: Path) -> list[tuple[str, int]]:
    """Delete data files that no version needs, and unfinished log entries; names and bytes of the data files.

    The caller holds the writer lock.
    """
    sweep_staging(path)
    if (
        (path / "_delta_log").is_dir()
        and not begins_at_first_version(path)
        and list((path / "_delta_log").glob("*.json"))
    ):
        return []  # the log was shortened by another program: what its files name is not known
    needed = read_log(path).file_stats
    deleted = []
    for file in path.glob("*.parquet*"):  # also `x.parquet#1`, as deltalake calls a file it is still writing
        if file.name not in needed:
            deleted.append((file.name, file.stat().st_size))
            file.unlink()
    for pattern in ("*.tmp", "*#*"):
        for unfinished in (path / "_delta_log").glob(pattern):
            unfinished.unlink()
    return deleted


def _sync(item: Path) -> None:
    handle = os.open(item, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
