"""Check an export against LightGBM itself, row by row: same leaves, same predictions; and its second graph against it.

The inference runtime is passed in, since it has its one door elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from headrace.core.errors import InvalidInputError
from headrace.packaging.calibrator import Calibrator
from headrace.packaging.export.export import BoosterLike, export_leaf_index, export_raw_score
from headrace.packaging.export.tensors import export_tensor_leaf_index, export_tensor_raw_score

Rows = npt.NDArray[np.float32]
Run = Callable[[bytes, Rows], npt.NDArray[Any]]
_CHUNK_ROWS = 8192  # ONNX Runtime holds 16 bytes a leaf number: 40 MB for 300 trees


@dataclass(frozen=True)
class ExportReport:
    """What a verification found.

    Attributes:
        rows: rows compared.
        leaf_mismatches: (row, tree) pairs that ended in another leaf than LightGBM's.
        max_abs_diff: largest absolute difference of predictions; two NaN, or two equal infinities, do not differ.
        max_scaled_diff: the same, each difference divided by the prediction's size where that is above 1: what float32
            may round off a probability and a number of any size alike.
    """

    rows: int
    leaf_mismatches: int
    max_abs_diff: float
    max_scaled_diff: float


def verify_export(  # noqa: PLR0913  predict's own arguments, and what is made of them
    booster: BoosterLike,
    model: bytes,
    rows: Rows,
    *,
    run: Run,
    start_iteration: int = 0,
    num_iteration: int | None = None,
    calibrator: Calibrator | None = None,
) -> ExportReport:
    """Compare an exported model with the booster on the same float32 rows.

    Args:
        booster: the oracle; it sees the rows as float64, which changes no value.
        model: what `export_lightgbm` wrote for the same iterations.
        rows: float32[n_rows, n_features]; NaN and infinities allowed.
        run: runs a model's only output on rows: (model, float32[n, n_features]) -> array[n, k].
        start_iteration: as in `export_lightgbm`.
        num_iteration: as in `export_lightgbm`.
        calibrator: as in `export_lightgbm`; the oracle's raw scores go through it.

    Raises:
        InvalidInputError: rows are not a float32 matrix.
    """
    if rows.ndim != 2 or rows.dtype != np.float32:
        raise InvalidInputError(f"rows must be a float32 matrix, got {rows.dtype}{list(rows.shape)}")
    used = {"start_iteration": start_iteration, "num_iteration": num_iteration}
    leaf_model = export_leaf_index(booster, start_iteration=start_iteration, num_iteration=num_iteration)
    mismatches, largest, scaled = 0, 0.0, 0.0
    for chunk in _chunks(rows):
        wide = chunk.astype(np.float64)
        leaves = np.asarray(booster.predict(wide, pred_leaf=True, **used)).reshape(len(chunk), -1)
        mismatches += int(np.count_nonzero(run(leaf_model, chunk) != leaves))
        expected = np.asarray(booster.predict(wide, raw_score=calibrator is not None, **used))
        if calibrator is not None:
            expected = calibrator.apply(expected).astype(np.float32)  # what the graph must give, bit for bit
        expected = expected.reshape(len(chunk), -1)
        answered = run(model, chunk)
        largest = max(largest, max_abs_difference(answered, expected))
        scaled = max(scaled, max_scaled_difference(answered, expected))
    return ExportReport(rows=len(rows), leaf_mismatches=mismatches, max_abs_diff=largest, max_scaled_diff=scaled)


@dataclass(frozen=True)
class TensorReport:
    """How far tensor operations are from the graph that was held against LightGBM.

    Attributes:
        rows: rows compared.
        leaves: (row, tree) pairs that ended in another leaf.
        raw_scores: raw scores that differ in any bit; two NaN do not.
        predictions: predictions that differ in any bit.
    """

    rows: int
    leaves: int
    raw_scores: int
    predictions: int

    @property
    def is_exact(self) -> bool:
        """Whether nothing differs."""
        return not (self.leaves or self.raw_scores or self.predictions)


def verify_tensors(
    source: BoosterLike | str, model: bytes, tensors: bytes, rows: Rows, *, run: Run, num_iteration: int | None = None
) -> TensorReport:
    """Compare a forest as tensor operations with the tree graph of the same model, bit for bit.

    Args:
        source: the booster or model text of both.
        model: the tree graph, which `verify_export` holds against LightGBM.
        tensors: what `export_tensors` wrote for the same arguments.
        rows: float32[n_rows, n_features]; NaN and infinities allowed.
        run: as in `verify_export`; on one device, since powers are that device's.
        num_iteration: as in `export_lightgbm`.
    """
    pairs = [
        (export_leaf_index, export_tensor_leaf_index),
        (export_raw_score, export_tensor_raw_score),
    ]
    graphs = [tuple(export(source, num_iteration=num_iteration) for export in pair) for pair in pairs]
    differ = [0, 0, 0]
    for chunk in _chunks(rows):
        for kind, (expected, actual) in enumerate([*graphs, (model, tensors)]):
            differ[kind] += int(np.count_nonzero(_differences(run(actual, chunk), run(expected, chunk))))
    return TensorReport(len(rows), *differ)


def max_abs_difference(actual: npt.NDArray[Any], expected: npt.NDArray[Any]) -> float:
    """Largest absolute difference; equal values (infinities, NaN beside NaN) differ by 0, NaN beside a number by inf.

    Raises:
        InvalidInputError: the shapes differ.
    """
    return float(_differences(actual, expected).max(initial=0.0))


def max_scaled_difference(actual: npt.NDArray[Any], expected: npt.NDArray[Any]) -> float:
    """As `max_abs_difference`, each difference divided by the size of the expected value where that is above 1."""
    with np.errstate(invalid="ignore"):
        scaled = _differences(actual, expected) / np.maximum(1.0, np.abs(expected))
    return float(np.where(np.isnan(scaled), np.inf, scaled).max(initial=0.0))


def _differences(actual: npt.NDArray[Any], expected: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    if actual.shape != expected.shape:
        raise InvalidInputError(f"outputs have shape {list(actual.shape)}, expected {list(expected.shape)}")
    same = (actual == expected) | (np.isnan(actual) & np.isnan(expected))
    with np.errstate(invalid="ignore"):
        difference = np.abs(np.asarray(actual, np.float64) - expected)
    return np.where(same, 0.0, np.where(np.isnan(difference), np.inf, difference))


def _chunks(rows: Rows) -> Iterator[Rows]:
    for start in range(0, len(rows), _CHUNK_ROWS):
        yield rows[start : start + _CHUNK_ROWS]
