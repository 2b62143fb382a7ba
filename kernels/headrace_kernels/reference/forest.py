"""Forests, row by row and node by node, as the ONNX standard describes TreeEnsemble."""

from __future__ import annotations

import math
from itertools import accumulate

import numpy as np
import numpy.typing as npt

from headrace_kernels.dtypes import Integers, Matrix
from headrace_kernels.forests import ClassRule, ColumnKind, Forest, Link, LinkRule, Scores, Transform

_ZERO = np.float32(1e-35)


def score_forest(forest: Forest, rows: Matrix, scores: Scores) -> None:
    """Add up the leaves that each row reaches, tree after tree.

    Args:
        forest: the trees.
        rows: float32[n_rows, n_features]; NaN goes where each node says.
        scores: [n_rows, n_targets] of the leaves' dtype, overwritten.
    """
    scores[:] = 0
    for row, sums in zip(rows, scores, strict=True):
        for root, targets in zip(forest.tree_root, forest.tree_targets, strict=True):
            child = int(root)
            while child >= 0:
                child = int(forest.node_left[child] if _goes_left(forest, child, row) else forest.node_right[child])
            for target, value in zip(targets, forest.leaf_values[~child], strict=True):
                sums[target] += value
    if len(forest.base):
        scores += forest.base


def link_scores(scores: Scores, rule: LinkRule, predictions: npt.NDArray[np.float32]) -> None:
    """Write predictions of sums.

    Args:
        scores: [n_rows, width], float32 or float64; all arithmetic is float64.
        rule: what to do.
        predictions: float32[n_rows, width], overwritten.
    """
    for row, own in zip(scores, predictions, strict=True):
        values = [float(score) / rule.divisor for score in row]
        with np.errstate(over="ignore"):  # beyond float32 is infinite
            own[:] = _linked(values, rule)


def classify_scores(
    scores: npt.NDArray[np.float32], rule: ClassRule, labels: Integers, probabilities: npt.NDArray[np.float32]
) -> None:
    """Write labels and probabilities, as TreeEnsembleClassifier does.

    Args:
        scores: float32[n_rows, n_classes], or [n_rows, 1] for two classes told apart by one score.
        rule: what to do.
        labels: int64[n_rows], overwritten.
        probabilities: float32[n_rows, n_classes], overwritten.
    """
    for position, row in enumerate(scores):
        if len(row) == 1:
            second = bool(row[0] > (0.5 if rule.all_positive else 0.0))
            labels[position] = rule.classes[int(second)]
            both = np.array([-row[0], row[0]], dtype=np.float32)
            if rule.all_positive:
                both[0] = np.float32(1) - row[0]
            elif rule.transform is Transform.LOGISTIC:
                both = _logistic(both)
            probabilities[position] = both
        else:
            labels[position] = rule.classes[int(np.argmax(row))]
            probabilities[position] = _transformed(row, rule.transform)


def _goes_left(forest: Forest, node: int, row: npt.NDArray[np.float32]) -> bool:
    column = forest.node_column[node]
    value = row[forest.column_feature[column]]
    kind = forest.column_kind[column]
    if kind == ColumnKind.TABLE:
        table = forest.tables[forest.table_start[column] : forest.table_start[column + 1]]
        return bool(table[math.floor(abs(value)) + 1 if -1 < value < len(table) - 1 else 0] == 0)
    if math.isnan(value) or (kind == ColumnKind.ZERO_MISSING and abs(value) <= _ZERO):
        return bool(forest.node_nan_left[node])
    return bool(value <= forest.node_split[node])


def _linked(values: list[float], rule: LinkRule) -> list[float]:
    if rule.link is Link.SOFTMAX:
        highest = max(values)
        powers = [_power(rule.base, value - highest) for value in values]
        *_, total = accumulate(powers)  # `sum` would correct its roundings from Python 3.12 on
        return [power / total for power in powers]
    if rule.link is Link.SQUARE:
        return [abs(value) * value for value in values]
    if rule.link is Link.EXPONENTIAL:
        return [_power(rule.base, value) for value in values]
    if rule.link is Link.LOGISTIC:
        return [1.0 / (_power(rule.base, value) + 1.0) for value in values]
    return values


def _power(base: float, exponent: float) -> float:
    """As C's `pow`, which gives numbers where Python raises."""
    try:
        return math.pow(base, exponent)
    except OverflowError:
        return -math.inf if base < 0 and exponent % 2 == 1 else math.inf
    except ValueError:  # a root of a negative number, or a division by zero
        return math.nan if base else math.inf


def _transformed(scores: npt.NDArray[np.float32], transform: Transform) -> npt.NDArray[np.float32]:
    if transform is Transform.LOGISTIC:
        return _logistic(scores)
    if transform is Transform.NONE:
        return scores
    powers = np.exp(scores - scores.max())
    total = np.float32(0)
    for power in powers:
        total += power
    shares: npt.NDArray[np.float32] = powers / total
    return shares


def _logistic(scores: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    one = np.float32(1)
    upper = one / (one + np.exp(-np.abs(scores)))
    logistic: npt.NDArray[np.float32] = np.where(scores < 0, one - upper, upper)
    return logistic
