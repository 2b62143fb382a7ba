"""A declared source, profiled as it is read: the columns that a table would get, and how many rows it would not."""

from __future__ import annotations

from itertools import chain

from headrace.core.errors import SourceError
from headrace.core.progress import Progress, SilentProgress
from headrace.data.profiling.files import FileProfile
from headrace.data.profiling.profiler import Profiler
from headrace.data.reading import Source


def profile_source(
    source: Source, *, name: str = "", threads: int | None = None, progress: Progress | None = None
) -> FileProfile:
    """Profile the rows of a source that read as declared, in bounded memory.

    Args:
        source: any source of a project.
        name: what people call it.
        threads: as for `Profiler`.
        progress: told of bytes.

    Returns:
        the profile, and a note where rows did not parse, with the first reason.

    Raises:
        SourceError: missing, unreadable or damaged.
    """
    rejected, reason = 0, ""
    parts = source.parts()
    first = next(parts, None)
    if first is None:
        raise SourceError(f"{name or 'the source'} gives no part, not even an empty one")
    with (
        Profiler(first.table.schema, threads=threads) as profiler,
        (progress or SilentProgress()).step(f"profile {name}", source.size()) as step,
    ):
        for part in chain((first,), parts):
            profiler.update(part.table)
            step.advance(part.read_bytes)
            if part.rejected.num_rows:
                reason = reason or str(part.rejected["reason"][0])
                rejected += part.rejected.num_rows
        profile = profiler.result(source=name)
    those = "1 row does" if rejected == 1 else f"{rejected:,} rows do"
    notes = (f"{those} not read as declared, the first because {reason}",)
    return FileProfile(profile, notes if rejected else ())
