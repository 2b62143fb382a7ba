"""Stage seven: the server as a process of its own answers the test months, and is held against the offline scores."""

from __future__ import annotations

from datetime import UTC
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from headrace.core.errors import FailedCheckError
from headrace.evaluation.measures import value_of
from headrace.pipeline.context import RunContext
from headrace.pipeline.dataset import Dataset, load_dataset
from headrace.pipeline.packing import MAX_ABS_DIFF
from headrace.pipeline.processes import run_json
from headrace.pipeline.scoring import read_rows, read_scores, write_rows
from headrace.pipeline.stage import StageOutcome
from headrace.pipeline.stages.train import FULL
from headrace.training.storage import load_trained

ROWS_FILE = "test.arrow"
SCORES_FILE = "scores.arrow"
LATENCY_REQUESTS = 2_000


class ServeStage:
    """Starts the server, sends every test row from a client process, compares every answer."""

    name: ClassVar[str] = "serve"
    after: ClassVar[tuple[str, ...]] = ("package",)
    code: ClassVar[tuple[str, ...]] = ("core", "wire", "client", "serving", "rollout", "monitoring")

    def inputs(self, context: RunContext) -> Any:
        """Nothing beside the package."""
        return context.records["package"].facts["digest"]

    def outputs(self, context: RunContext) -> list[Path]:
        """What the client was told to send and what it got."""
        return [context.workspace.exchange / ROWS_FILE, context.workspace.exchange / SCORES_FILE]

    def run(self, context: RunContext) -> StageOutcome:
        """Serve and compare.

        Raises:
            FailedCheckError: an answer differs from the offline score by more than float32 sums may.
        """
        model = context.project.model
        dataset = load_dataset(context)
        test = np.flatnonzero(model.split.masks(dataset.times).test)
        offline = load_trained(context.workspace.models / FULL).predict(np.asarray(dataset.matrix.values)[test])
        exchange = context.workspace.exchange
        write_features(exchange / ROWS_FILE, dataset, test, prefix="")
        write_features(exchange / "latency.arrow", dataset, test[:LATENCY_REQUESTS], prefix="latency/")
        log = f"{context.clock.now().astimezone(UTC):%Y%m%dT%H%M%S}"
        server = context.restart_server(log=log)
        with context.progress.step(f"{len(test):,} rows through the server"):
            bulk = send_rows(
                server.address, model.name, exchange / ROWS_FILE, exchange / SCORES_FILE, rows=64, in_flight=4
            )
            single = send_rows(server.address, model.name, exchange / "latency.arrow", None, rows=1, in_flight=1)
        served = read_scores(read_rows(exchange / SCORES_FILE))
        difference = float((np.abs(served - offline) / np.maximum(1.0, np.abs(offline))).max())
        if difference > MAX_ABS_DIFF:
            raise FailedCheckError(f"served and offline scores differ by {difference:.2e}; allowed {MAX_ABS_DIFF:.0e}")
        labelled, metric = dataset.labelled[test], model.question.leading
        known = test[labelled]
        queries = dataset.queries[known] if dataset.queries is not None else None
        figure = value_of(model.question, metric, dataset.labels[known], served[labelled], queries)
        ready = server.ready
        reason = f" ({ready['device_reason']})" if ready["device_reason"] else ""
        return StageOutcome(
            headline=f"{len(test):,} answers equal the offline scores (max diff {difference:.1e})",
            detail=f"ready in {ready['seconds']:.2f} s · {ready['device']}{reason} · "
            f"p50 {single['p50_ms']:.2f} ms, p99 {single['p99_ms']:.2f} ms",
            facts={
                "rows": len(test),
                "rows_labelled": int(labelled.sum()),
                "metric": metric,
                "figure_served": figure,
                "max_abs_diff_served": difference,
                "device": ready["device"],
                "device_reason": ready["device_reason"],
                "ready_s": ready["seconds"],
                "p50_ms": single["p50_ms"],
                "p99_ms": single["p99_ms"],
                "latencies_ms": single["latencies_ms"],
                "requests": bulk["requests"] + single["requests"],
                "rows_per_s": bulk["rows"] / bulk["seconds"],
                "prediction_log": log,
            },
        )


def write_features(
    path: Path, dataset: Dataset, rows: npt.NDArray[np.int64], *, prefix: str, scale: dict[str, float] | None = None
) -> None:
    """Write features of some rows for a client process, ids in front; `scale` multiplies single features."""
    values = np.asarray(dataset.matrix.values)[rows]
    columns: dict[str, Any] = {"id": [prefix + identity for identity in dataset.ids[rows].tolist()]}
    for place, name in enumerate(dataset.matrix.names):
        columns[name] = values[:, place] * np.float32((scale or {}).get(name, 1.0))
    write_rows(path, columns)


def send_rows(
    address: str, model: str, rows_file: Path, output: Path | None, *, rows: int, in_flight: int
) -> dict[str, Any]:
    """Send a file of rows from a client process of its own: `headrace predict --json`."""
    arguments = ["predict", model, str(rows_file), "--address", address]
    arguments += ["--rows-per-request", str(rows), "--concurrency", str(in_flight)]
    return run_json([*arguments, "--output", str(output)] if output else arguments)
