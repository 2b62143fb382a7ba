"""A file of rows through a running server: what a batch caller does, and what measures the server."""

from __future__ import annotations

import itertools
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from headrace.client import Client
from headrace.core.errors import InvalidInputError, NotFoundError
from headrace.core.progress import Progress, SilentProgress
from headrace.core.threads import ThreadPool, result_of

if TYPE_CHECKING:
    import pyarrow as pa

SCORE = "score"
FORMATS = (".parquet", ".arrow", ".csv")


@dataclass(frozen=True)
class ScoringJob:
    """What to send where.

    Attributes:
        model: model name, or `name@version`.
        rows: features, one column each, in the model's order; an id column beside them is optional.
        output: where scores go; None: nowhere.
        address: the server.
        id_column: name of the id column.
        rows_per_request: rows in one request.
        concurrency: requests in flight.
        timeout_s: what one request may take.
    """

    model: str
    rows: Path
    output: Path | None
    address: str
    id_column: str = "id"
    rows_per_request: int = 64
    concurrency: int = 1
    timeout_s: float = 10.0


@dataclass(frozen=True)
class _Answer:
    start: int
    scores: npt.NDArray[np.float32]
    version: int
    latency_ms: float


def score_file(job: ScoringJob, *, progress: Progress | None = None) -> dict[str, Any]:
    """Send the rows, write the scores in the rows' order, and measure every request.

    Returns:
        JSON data: rows, requests, seconds, latencies (ms, all of them), percentiles, rows a version.

    Raises:
        NotFoundError: no such file, or the server has no such model.
        InvalidInputError: the file is not readable, or its columns are not what the model takes.
        HeadraceError: a request failed; nothing is written then.
    """
    table = read_rows(job.rows)
    ids = [str(value) for value in table[job.id_column].to_pylist()] if job.id_column in table.column_names else None
    features = _matrix(table.drop_columns([job.id_column] if ids is not None else []))
    started = time.perf_counter()
    with Client(job.address, timeout_s=job.timeout_s) as client:
        answers = _send(job, client, features, ids, progress or SilentProgress())
    seconds = time.perf_counter() - started
    scores = np.concatenate([answer.scores for answer in answers]) if answers else np.empty(0, np.float32)
    rows = [min(job.rows_per_request, len(features) - answer.start) for answer in answers]
    versions = np.repeat(np.array([answer.version for answer in answers], np.int64), rows)
    if job.output is not None:
        columns: dict[str, Any] = {
            "id": ids or list(range(len(features))),
            **_columns(scores),
            "model_version": versions,
        }
        write_rows(job.output, columns)
    latencies = np.array([answer.latency_ms for answer in answers])
    return {
        "rows": len(features),
        "requests": len(answers),
        "seconds": seconds,
        "p50_ms": float(np.percentile(latencies, 50)) if len(answers) else 0.0,
        "p99_ms": float(np.percentile(latencies, 99)) if len(answers) else 0.0,
        "latencies_ms": [round(float(value), 4) for value in latencies],
        "rows_by_version": {str(version): count for version, count in sorted(Counter(versions.tolist()).items())},
    }


def read_rows(path: Path) -> pa.Table:
    """Read a file of rows by its ending.

    Raises:
        NotFoundError: there is no such file.
        InvalidInputError: the ending or the content is not one of Parquet, Arrow IPC, CSV.
    """
    import pyarrow as pa
    import pyarrow.csv
    import pyarrow.feather
    import pyarrow.parquet

    if not path.is_file():
        raise NotFoundError(f"there is no file {path}")
    readers = {".parquet": pa.parquet.read_table, ".arrow": pa.feather.read_table, ".csv": pa.csv.read_csv}
    try:
        return readers[_format(path)](path)
    except pa.ArrowException as error:
        raise InvalidInputError(f"{path} cannot be read: {error}") from error


def write_rows(path: Path, columns: dict[str, Any]) -> None:
    """Write columns to a file by its ending; the file is whole or absent."""
    import pyarrow as pa
    import pyarrow.csv
    import pyarrow.feather
    import pyarrow.parquet

    table = pa.table(columns)
    staged = path.with_name(f".{path.name}.part")
    staged.parent.mkdir(parents=True, exist_ok=True)
    try:
        match _format(path):
            case ".parquet":
                pa.parquet.write_table(table, staged)
            case ".arrow":
                pa.feather.write_feather(table, str(staged), compression="uncompressed")
            case _:
                pa.csv.write_csv(table, staged)
        staged.replace(path)
    finally:
        staged.unlink(missing_ok=True)


def read_scores(table: pa.Table) -> npt.NDArray[np.float64]:
    """Scores of a file that `score_file` wrote: float64[n], of several outputs float64[n, K]."""
    names = [name for name in table.column_names if name == SCORE or name.startswith(f"{SCORE}_")]
    scores = np.column_stack([np.asarray(table[name].to_numpy(), np.float64) for name in names])
    return scores[:, 0] if names == [SCORE] else scores


def _columns(scores: npt.NDArray[np.float32]) -> dict[str, Any]:
    """`score`, or `score_0` to `score_K-1` of a model of K classes."""
    if scores.ndim == 1:
        return {SCORE: scores}
    return {f"{SCORE}_{output}": np.ascontiguousarray(scores[:, output]) for output in range(scores.shape[1])}


def _format(path: Path) -> str:
    if path.suffix not in FORMATS:
        raise InvalidInputError(f"{path.name}: '{path.suffix}' is not a row format; allowed: {', '.join(FORMATS)}")
    return path.suffix


def _matrix(table: pa.Table) -> npt.NDArray[np.float32]:
    import pyarrow as pa
    import pyarrow.types as is_

    matrix = np.empty((table.num_rows, table.num_columns), np.float32)
    for index, field in enumerate(table.schema):
        if not (is_.is_floating(field.type) or is_.is_integer(field.type) or is_.is_boolean(field.type)):
            raise InvalidInputError(f"column '{field.name}' is {field.type}; features are numbers")
        matrix[:, index] = table.column(index).cast(pa.float32(), safe=False).to_numpy()  # null becomes NaN
    return matrix


def _send(
    job: ScoringJob, client: Client, features: npt.NDArray[np.float32], ids: list[str] | None, progress: Progress
) -> list[_Answer]:
    name, _, version = job.model.partition("@")

    def one(start: int) -> _Answer:
        stop = min(start + job.rows_per_request, len(features))
        chunk_ids = ids[start:stop] if ids is not None else None
        sent = time.perf_counter()
        result = client.infer(
            name,
            features[start:stop],
            version=version if version.isdigit() else "",
            request_id=chunk_ids[0] if chunk_ids else str(start),
            ids=chunk_ids,
        )
        return _Answer(start, result.scores, int(result.model_version), (time.perf_counter() - sent) * 1e3)

    starts = range(0, len(features), job.rows_per_request)
    with progress.step("requests", total=len(starts)) as step:
        if job.concurrency == 1:
            return [_counted(one(start), step.advance) for start in starts]
        with ThreadPool(job.concurrency, thread_name_prefix="client") as pool:
            return [_counted(answer, step.advance) for answer in _ordered(pool, one, starts, job.concurrency)]


def _ordered(pool: ThreadPool, one: Any, starts: range, in_flight: int) -> Iterator[_Answer]:
    """Answers in the order of `starts`, few requests handed to the pool at a time; the first error ends all."""
    remaining = iter(starts)
    waiting: list[Future[_Answer]] = [pool.submit(one, start) for start in itertools.islice(remaining, 2 * in_flight)]
    while waiting:
        try:
            answer = result_of(waiting.pop(0))
        except BaseException:
            for future in waiting:
                future.cancel()
            raise
        waiting.extend(pool.submit(one, start) for start in itertools.islice(remaining, 1))
        yield answer


def _counted(answer: _Answer, advance: Any) -> _Answer:
    advance(1)
    return answer
