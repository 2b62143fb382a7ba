"""A batch job: reads Parquet, computes 18 features, scores them, writes Parquet; and how long the device was busy.

Files are parts that share no key, as a build cuts them; several are under way at once, each on a stream of its own.
Busy is the union of the spans between two events on a part's stream, around copies and kernels, over the job's time: an
upper bound, since a span includes what little the host takes to ask for the next kernel.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from copies import ascending, download, is_real, own_stream, pinned, upload
from findings import Finding, Setting, equal, measured, missing
from forest_files import read_forests, why_none
from window_work import WIDTHS_US, Kernels, World, compute_on_cpu, write_features
from window_world import make_parts

from headrace_kernels.cuda import device

WORKERS = 6
BAR = 50.0
Span = tuple[float, float]


class Job:
    """One job: the forest on the device, and what its parts have found.

    Args:
        forest: the trees.
        here: the device.
    """

    def __init__(self, forest: Any, here: device.Device) -> None:
        from headrace_kernels.cuda.forest import CudaForest

        self.kernels = Kernels("cuda")
        self.forest = CudaForest(forest)
        self.here = here
        self.spans: list[Span] = []
        self.start = mark()

    def run(self, source: Path, target: Path, n_keys: int) -> None:
        """One part, from file to file."""
        table = pq.read_table(source, use_threads=False)
        columns = [table.column(name).combine_chunks().to_numpy() for name in ("key", "time", "value")]
        with own_stream(self.here):
            began = mark()
            world = World(*(upload(staged(column)) for column in columns), n_keys)
            n = table.num_rows
            matrix, scores = device.empty((n, 18), np.float32), device.empty((n, self.forest.n_targets), np.float64)
            write_features(self.kernels, ascending(n), world, 0, WIDTHS_US, matrix)
            self.forest.score(matrix, scores)
            answer = pinned((n, self.forest.n_targets), np.float64)
            download(scores, answer)
            ended = mark()
        self.spans.append((seconds_between(self.start, began), seconds_between(self.start, ended)))
        pq.write_table(pa.table({"score": answer[:, 0]}), target, compression="none", use_dictionary=False)


def run(setting: Setting) -> Iterator[Finding]:
    """Write the files, run the job twice, look at the second run."""
    name = "batch job: device busy"
    found = [files for files in read_forests(setting.inputs) if files.name == "windows"]
    if not found:
        yield missing(name, why_none(setting.inputs))
        return
    try:
        job = Job(found[0].forest, device.current())
    except ModuleNotFoundError as error:
        yield missing(name, f"no module {error.name}")
        return
    n_events, n_parts = setting.size(40_000_000, 2_000_000, 200), setting.size(20, 8, 2)
    parts = make_parts(n_events, n_events // 20, n_parts)
    with tempfile.TemporaryDirectory() as folder:
        sources = write_parts(parts, Path(folder))
        workers = 1 if setting.emulated else WORKERS
        run_job(job, sources, parts[0].n_keys, workers)
        seconds = run_job(job, sources, parts[0].n_keys, workers)
        written = pq.read_table(sources[0].with_suffix(".scores"))["score"].to_numpy()
    yield equal("batch job: scores", check_scores(found[0].forest, parts[0], written), f"{len(written):,} rows")
    if not is_real():
        yield missing(name, "the emulated device keeps no time")
        return
    busy = 100 * union_s(job.spans) / seconds
    detail = f"{n_events:,} events in {n_parts} files: {seconds:.2f} s, {n_events / seconds / 1e6:.1f} million events/s"
    yield measured(name, busy, "% of the time", detail, bar=BAR)


def run_job(job: Job, sources: Sequence[Path], n_keys: int, workers: int) -> float:
    """Seconds from the first read to the last write."""
    job.spans.clear()
    job.start = mark()
    started = time.perf_counter()
    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(lambda source: job.run(source, source.with_suffix(".scores"), n_keys), sources))
    return time.perf_counter() - started


def write_parts(parts: Sequence[World], folder: Path) -> list[Path]:
    """A Parquet file a part, as plain as they come."""
    sources = [folder / f"part-{number}.parquet" for number in range(len(parts))]
    for part, source in zip(parts, sources, strict=True):
        table = pa.table({"key": part.codes, "time": part.time, "value": part.value})
        pq.write_table(table, source, compression="none", use_dictionary=False)
    return sources


def check_scores(forest: Any, part: World, written: Any) -> str:
    """How the scores of a part's first rows differ from those of the CPU's features by the reference; "" if not."""
    from headrace_kernels.reference.forest import score_forest

    matrix = np.zeros((len(part.codes), 18), dtype=np.float32)
    compute_on_cpu(part, WIDTHS_US, 2, matrix)
    scores = np.empty((min(100, len(matrix)), forest.n_targets), dtype=forest.leaf_values.dtype)
    score_forest(forest, matrix[: len(scores)], scores)
    return "" if scores[:, 0].tobytes() == written[: len(scores)].tobytes() else "scores differ from the reference's"


def union_s(spans: Sequence[Span]) -> float:
    """Seconds that at least one span covers."""
    total, reached = 0.0, 0.0
    for begin, end in sorted(spans):
        total += max(end - max(begin, reached), 0.0)
        reached = max(reached, end)
    return total


def staged(column: Any) -> Any:
    """A copy in pinned memory."""
    copy = pinned(column.shape, column.dtype)
    copy[...] = column
    return copy


def mark() -> Any:
    """A moment on this thread's stream; None where there is no GPU."""
    if not is_real():
        return None
    import cupy

    event = cupy.cuda.Event()
    event.record()
    return event


def seconds_between(began: Any, ended: Any) -> float:
    """Seconds from one moment to another, both past."""
    if began is None:
        return 0.0
    import cupy

    return cupy.cuda.get_elapsed_time(began, ended) / 1e3
