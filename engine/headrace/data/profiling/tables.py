"""A version of a stored table, profiled as it is read."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

from headrace.core.progress import Progress, SilentProgress
from headrace.data.profiling.profiler import Profiler
from headrace.data.profiling.result import Profile

if TYPE_CHECKING:
    from headrace.data.store import TableStore


def profile_table(
    store: TableStore,
    name: str,
    *,
    version: int | None = None,
    threads: int | None = None,
    progress: Progress | None = None,
) -> Profile:
    """Profile one version of a table in bounded memory; its content is checked against the digest it was written with.

    Args:
        store: where the table is.
        name: the table.
        version: None is the newest.
        threads: as for `Profiler`.
        progress: told of rows.

    Raises:
        NotFoundError: no such table or version.
        CorruptedError: the files do not hold what was written.
    """
    chosen = store.find(name, version=version)
    batches = store.scan(name, version=chosen.version)
    first = next(batches, None)
    if first is None:  # a version without rows
        first = store.read(name, version=chosen.version)
    source = f"{name}, version {chosen.version}"
    with (
        Profiler(first.schema, threads=threads) as profiler,
        (progress or SilentProgress()).step(f"profile {name}", chosen.rows) as step,
    ):
        for batch in chain((first,), batches):
            profiler.update(batch)
            step.advance(batch.num_rows)
        return profiler.result(source=source)
