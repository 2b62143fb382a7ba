"""Tables in, scores out, without a server: a package's own plan and graph over whole tables, on the CPU or on CUDA."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from headrace.core.errors import InvalidInputError, NotFoundError, UnimplementedError
from headrace.core.progress import Progress, SilentProgress
from headrace.features import FeaturePlan, compute
from headrace.features.build.sources import Source, as_source, read_whole
from headrace.features.device import CPU_ONLY, Devices
from headrace.features.matrix import FeatureMatrix
from headrace.packaging import Package
from headrace.pipeline.feature_inputs import stored_tables
from headrace.pipeline.models import opened_registry
from headrace.pipeline.workspace import Workspace
from headrace.serving.runtime.matrix_scorer import MatrixScorer

if TYPE_CHECKING:
    import pyarrow as pa

Scores = npt.NDArray[np.float32]


@dataclass(frozen=True)
class BatchJob:
    """What to score, with what.

    Attributes:
        model: `late`, `late@2` or `late@champion`.
        output: the Parquet file that scores are written to.
        tables: `name=file` for each table that is read from a file; the last run in the workspace has the others.
        threads: of the CPU.
        devices: CUDA devices for what has kernels there.
    """

    model: str
    output: Path
    tables: Sequence[str] = ()
    threads: int = 2
    devices: Devices = CPU_ONLY


def score_tables(workspace: Workspace, job: BatchJob, *, progress: Progress | None = None) -> dict[str, Any]:
    """Compute a package's features of every row that asks, score them, and write one line a row.

    The file has the row's id where the plan names one, `query_time`, `score` (or `score_0`, `score_1`, ...) and
    `model_version`, in the spine's order. It is whole or absent.

    Returns:
        JSON data: rows, features, seconds by step, what ran where.

    Raises:
        NotFoundError: no such model, or a table is missing.
        UnimplementedError: the model reads its features in another order than its plan has them.
        InvalidInputError: a table is not what the plan reads, or the output is not named .parquet.
        CorruptedError: the package was altered.
    """
    progress = progress or SilentProgress()
    if job.output.suffix != ".parquet":
        raise InvalidInputError(f"{job.output} does not end in .parquet, the format scores are written in")
    with opened_registry(workspace) as registry:
        version, package = registry.resolve(job.model), registry.load(job.model)
    started = time.perf_counter()
    plan = _plan(package)
    tables = _read(plan, workspace, job, progress)
    read = time.perf_counter()
    matrix = compute(plan, tables, threads=job.threads, progress=progress, device=job.devices)
    computed = time.perf_counter()
    scorer = MatrixScorer(
        package.model, package.cuda_model, name=str(version), devices=job.devices, threads=job.threads
    )
    row_ids = tables[plan.spine].column(plan.row_id) if plan.row_id is not None else None
    with progress.step(f"scores of {version}", total=len(matrix.values)) as step:

        def lines() -> Iterator[pa.Table]:
            for first, scores in scorer.scores(matrix.values, matrix.on_device):
                yield _lines(matrix, row_ids, first, scores, version.version)
                step.advance(len(scores))

        _write(job.output, lines())
    return {
        "model": str(version),
        "digest": version.digest,
        "rows": len(matrix.values),
        "features": len(matrix.names),
        "output": str(job.output),
        "read_s": round(read - started, 3),
        "features_s": round(computed - read, 3),
        "scores_s": round(time.perf_counter() - computed, 3),
        "device": job.devices.to_json(),
        "placements": [vars(each) for each in matrix.placements],
        "scored_on": scorer.where,
    }


def _plan(package: Package) -> FeaturePlan:
    """The plan of the model's features alone, in the model's order.

    Raises:
        UnimplementedError: the model reads the features in another order.
    """
    whole = FeaturePlan.from_json(json.loads(package.plan_text))
    names = package.signature.features
    plan = whole if whole.feature_names == names else whole.only(names)
    if plan.feature_names != names:
        raise UnimplementedError(f"{package.name} reads its features in another order than its plan has them")
    return plan


def _read(plan: FeaturePlan, workspace: Workspace, job: BatchJob, progress: Progress) -> dict[str, pa.Table]:
    sources: dict[str, Source] = stored_tables(workspace.home)
    for given in job.tables:
        table, _, file = given.partition("=")
        if not table or not file:
            raise InvalidInputError(f"--table '{given}' is not NAME=FILE", hint="--table flights=flights.parquet")
        sources[table] = as_source(Path(file))
    missing = sorted(set(plan.columns) - set(sources))
    if missing:
        raise NotFoundError(
            f"there is no table '{missing[0]}', which the plan of {job.model} reads",
            hint=f"name its file: --table {missing[0]}=FILE, or run the project into {workspace.home} first",
        )
    with progress.step("read tables", total=len(plan.columns)) as step:
        tables = {}
        for table, dtypes in plan.columns.items():
            tables[table] = read_whole(sources[table], dtypes)
            step.advance()
    return tables


def _lines(
    matrix: FeatureMatrix, row_ids: pa.ChunkedArray | None, first: int, scores: Scores, version: int
) -> pa.Table:
    import pyarrow as pa

    n_rows = len(scores)
    columns: dict[str, Any] = {} if row_ids is None else {"id": row_ids.slice(first, n_rows)}
    columns["query_time"] = pa.array(matrix.query_time[first : first + n_rows]).cast(pa.timestamp("us", "UTC"))
    if scores.shape[1] == 1:
        columns["score"] = scores[:, 0]
    else:
        columns |= {f"score_{number}": np.ascontiguousarray(scores[:, number]) for number in range(scores.shape[1])}
    columns["model_version"] = np.full(n_rows, version, np.int64)
    return pa.table(columns)


def _write(output: Path, parts: Iterator[pa.Table]) -> None:
    import pyarrow.parquet as pq

    staged = output.with_name(f".{output.name}.part")
    staged.parent.mkdir(parents=True, exist_ok=True)
    writer = None
    try:
        for part in parts:
            writer = writer or pq.ParquetWriter(staged, part.schema)
            writer.write_table(part)
        if writer is not None:
            writer.close()
            staged.replace(output)
    finally:
        if writer is not None:
            writer.close()
        staged.unlink(missing_ok=True)
