"""The graph of tensor operations that a package carries beside the tree graph, or why it carries none."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from headrace.core.errors import FailedCheckError, UnimplementedError
from headrace.packaging.calibrator import Calibrator
from headrace.packaging.export.export import BoosterLike
from headrace.packaging.export.tensors import export_tensors
from headrace.packaging.export.verify import Rows, Run, verify_tensors

VERIFIED_ROWS = 2_048  # on one CPU thread a row takes some five times as long as in the tree graph


@dataclass(frozen=True)
class SecondGraph:
    """A graph, or a reason.

    Attributes:
        model: the serialised graph; None where there is none.
        reason: why there is none; empty where there is one.
    """

    model: bytes | None
    reason: str = ""


def make_second_graph(
    source: BoosterLike | str,
    model: bytes,
    rows: Rows,
    *,
    run: Run,
    num_iteration: int | None = None,
    calibrator: Calibrator | None = None,
) -> SecondGraph:
    """Write a model as tensor operations and hold it against its tree graph.

    Args:
        source: a booster, or a model text.
        model: the tree graph, made from the same arguments and verified.
        rows: float32[n_rows, n_features], of which up to `VERIFIED_ROWS`, evenly spaced, are compared.
        run: runs a graph's only output on rows, on the CPU.
        num_iteration: as in `export_lightgbm`.
        calibrator: as in `export_lightgbm`.

    Raises:
        FailedCheckError: the two graphs differ; nothing differs in a correct exporter.
    """
    try:
        tensors = export_tensors(source, num_iteration=num_iteration, calibrator=calibrator)
    except UnimplementedError as error:
        return SecondGraph(None, error.message)
    chosen = np.unique(np.linspace(0, max(len(rows) - 1, 0), VERIFIED_ROWS).astype(np.int64))
    report = verify_tensors(source, model, tensors, rows[chosen[: len(rows)]], run=run, num_iteration=num_iteration)
    if not report.is_exact:
        raise FailedCheckError(
            f"the graph of tensor operations is not the model: of {report.rows} rows, {report.leaves} leaves, "
            f"{report.raw_scores} raw scores and {report.predictions} predictions differ from the tree graph's"
        )
    return SecondGraph(tensors)
