"""Cases of forests and their links: trees of every kind, rows at thresholds and beside them, sums at rounding edges."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from headrace_kernels.conformance.case import Case
from headrace_kernels.cuda import device
from headrace_kernels.cuda import forest as cuda
from headrace_kernels.forests import ColumnKind, Forest, Link, LinkRule

E = 2.718281828459045
_TABLE = 9
_SPECIAL = np.array(
    [np.nan, 0.0, -0.0, 1e-45, -1e-45, 1e-35, -1e-35, 1.0000001e-35, np.inf, -np.inf, 3.4e38, -1.0, -0.999, 0.5, 7.0],
    dtype=np.float32,
)
_RULES = (
    LinkRule(Link.IDENTITY, divisor=3.0), LinkRule(Link.SQUARE), LinkRule(Link.EXPONENTIAL, E),
    LinkRule(Link.EXPONENTIAL, 0.5), LinkRule(Link.LOGISTIC, E), LinkRule(Link.LOGISTIC, 1.7, divisor=7.0),
    LinkRule(Link.LOGISTIC, 1 / E), LinkRule(Link.SOFTMAX, E), LinkRule(Link.SOFTMAX, 0.5),
    LinkRule(Link.LOGISTIC, 1.0), LinkRule(Link.EXPONENTIAL, -2.0),
)  # fmt: skip


def cases(rng: np.random.Generator, size: int) -> Iterator[Case]:
    """Forests that are walked in every way, and every link."""
    few = max(2, min(12, 40_000 // (size + 1)))
    for label, forest in (
        ("one sum", make_forest(rng, [1, 2, 63, 9, 31][:few])),
        ("float32", make_forest(rng, [7] * few, dtype=np.float32)),
        ("several sums", make_forest(rng, [5, 1, 17][:few], n_targets=3, width=2)),
        ("wide rows", make_forest(rng, [20, 3], n_features=70)),
        ("wide nodes", make_forest(rng, [12, 2], n_features=8200 if size <= 64 else 7)),
        ("trees parted among blocks", make_forest(rng, [2, 3] * (10 if size <= 300 or size > 5000 else 1))),
    ):
        yield _score_case(f"{label}, {size:,}", forest, make_rows(rng, forest, size), whole_rows=cuda.WHOLE_ROWS)
        if label in {"one sum", "float32", "several sums"}:
            yield _score_case(f"{label} in one launch, {size:,}", forest, make_rows(rng, forest, size), whole_rows=0)
    for rule in _RULES:
        for scores in (make_scores(rng, size, rule), make_scores(rng, size, rule).astype(np.float32)):
            yield _link_case(f"{rule}, {scores.dtype}, {size:,}", scores, rule)


def make_forest(
    rng: np.random.Generator, leaves: list[int], *, n_features: int = 7, n_targets: int = 1, width: int = 1,
    dtype: npt.DTypeLike = np.float64,
) -> Forest:  # fmt: skip
    """Random trees: plain columns, two of one feature, one whose zeros are missing, and two tables of one feature."""
    kinds = [*[ColumnKind.PLAIN] * (n_features - 1), ColumnKind.ZERO_MISSING, ColumnKind.TABLE, ColumnKind.TABLE]
    features = [*range(n_features - 2), 0, n_features - 2, n_features - 1, n_features - 1]
    left: list[int] = []
    right: list[int] = []
    roots = [_grow(rng, count, (left, right), sum(leaves[:tree])) for tree, count in enumerate(leaves)]
    grid = np.concatenate([rng.normal(size=40), _SPECIAL[~np.isnan(_SPECIAL)]]).astype(np.float32)
    return Forest(
        n_features=n_features, n_targets=n_targets,
        column_feature=np.array(features, np.int32),
        column_kind=np.array(kinds, np.uint8),
        table_start=np.array([0] * (len(kinds) - 1) + [_TABLE, 2 * _TABLE], np.int64),
        tables=rng.integers(0, 2, size=2 * _TABLE).astype(np.uint8),
        node_column=rng.integers(0, len(kinds), size=len(left)).astype(np.int32),
        node_split=rng.choice(grid, len(left)), node_nan_left=rng.random(len(left)) < 0.5,
        node_left=np.array(left, np.int32), node_right=np.array(right, np.int32), tree_root=np.array(roots, np.int32),
        tree_targets=np.array([rng.permutation(n_targets)[:width] for _ in leaves], np.int32),
        leaf_values=rng.choice([rng.normal(), -0.0, 1e16, 0.1, -7.3], size=(sum(leaves), width)).astype(dtype),
        base=rng.normal(size=int(rng.choice([0, n_targets]))).astype(dtype),
    )  # fmt: skip


def make_rows(rng: np.random.Generator, forest: Forest, n_rows: int) -> npt.NDArray[np.float32]:
    """Splits, their neighbours, special and ordinary values."""
    splits = np.concatenate([forest.node_split, _SPECIAL])
    with np.errstate(over="ignore", under="ignore"):
        near = np.concatenate([splits, np.nextafter(splits, np.float32(9e9)), np.nextafter(splits, np.float32(-9e9))])
    rows = rng.choice(near, size=(n_rows, forest.n_features))
    return np.where(rng.random(rows.shape) < 0.3, rng.normal(size=rows.shape) * 4, rows).astype(np.float32)


def make_scores(rng: np.random.Generator, n_rows: int, rule: LinkRule) -> npt.NDArray[np.float64]:
    """Ordinary and special sums, and such whose prediction is next to the middle of two float32."""
    width = 3 if rule.link is Link.SOFTMAX else 2
    scores = rng.normal(scale=6.0, size=(n_rows, width))
    special = rng.random(scores.shape) < 0.1
    scores[special] = rng.choice([0.0, -0.0, 1e3, -1e3, 88.7, -103.9, np.inf, -np.inf, np.nan, 1e-300], special.sum())
    edge = rng.random(n_rows) < 0.4
    middles = _middles(rng, int(edge.sum()))
    if rule.link is Link.LOGISTIC:
        scores[edge, 0] = np.log(1.0 / middles - 1.0)
    elif rule.link is Link.SOFTMAX:
        scores[edge] = np.stack([-np.log(1.0 / middles - 1.0), np.zeros_like(middles), np.full_like(middles, -1e9)], 1)
    elif rule.link is Link.EXPONENTIAL:
        scores[edge, 0] = np.log(middles)
    with np.errstate(invalid="ignore", over="ignore"):
        scores[edge] *= rule.divisor / (math.log(rule.base) if rule.base > 0 and rule.base != 1 else 1.0)
    return scores


def _middles(rng: np.random.Generator, count: int) -> npt.NDArray[np.float64]:
    """Numbers in (0, 1) halfway between two float32."""
    low = rng.uniform(0.001, 0.999, count).astype(np.float32)
    middles: npt.NDArray[np.float64] = (
        low.astype(np.float64) + np.nextafter(low, np.float32(1)).astype(np.float64)
    ) / 2
    return middles


def _grow(rng: np.random.Generator, n_leaves: int, children: tuple[list[int], list[int]], first_leaf: int) -> int:
    """A random tree of so many leaves, added to the children; its root."""
    first, ends = len(children[0]), [(children[0], -1)]
    for node in range(n_leaves - 1):
        side, parent = ends.pop(int(rng.integers(len(ends))))
        if parent >= 0:
            side[parent] = first + node
        for each in children:
            each.append(0)
            ends.append((each, first + node))
    for leaf, (side, parent) in enumerate(ends):
        if parent >= 0:
            side[parent] = ~(first_leaf + leaf)
    return first if n_leaves > 1 else ~first_leaf


def _score_case(label: str, forest: Forest, rows: npt.NDArray[np.float32], *, whole_rows: int) -> Case:
    def found() -> list[npt.NDArray[Any]]:
        scores = device.empty((len(rows), forest.n_targets), forest.leaf_values.dtype)
        cuda.CudaForest(forest, whole_rows=whole_rows).score(device.put(rows), scores)
        return [device.get(scores)]

    return Case("score_forest", label, lambda: [score_on_host(forest, rows)], found)


def _link_case(label: str, scores: npt.NDArray[Any], rule: LinkRule) -> Case:
    def found() -> list[npt.NDArray[Any]]:
        predictions = device.empty(scores.shape, np.float32)
        cuda.link_scores(device.put(scores), rule, predictions)
        return [device.get(predictions)]

    def expected() -> list[npt.NDArray[Any]]:
        predictions = np.empty(scores.shape, np.float32)
        _host().link_scores(scores, rule, predictions)
        return [predictions]

    return Case("link_scores", label, expected, found)


def score_on_host(forest: Forest, rows: npt.NDArray[np.float32]) -> npt.NDArray[Any]:
    """The native kernel's sums; where that is not built, those of all rows that walk each tree together."""
    scores = np.zeros((len(rows), forest.n_targets), forest.leaf_values.dtype)
    try:
        from headrace_kernels.native.forest import score_forest
    except ImportError:
        return walk_together(forest, rows, scores)
    score_forest(forest, rows, scores)
    return scores


def walk_together(
    forest: Forest, rows: npt.NDArray[np.float32], scores: npt.NDArray[Any]
) -> npt.NDArray[Any]:  # fmt: skip
    """Add up the leaves of all rows, which are at 0, tree by tree."""
    for root, targets in zip(forest.tree_root, forest.tree_targets, strict=True):
        at = np.full(len(rows), root, np.int64)
        while (inner := np.flatnonzero(at >= 0)).size:
            node = at[inner]
            left = _go_left(forest, node, rows[inner, forest.column_feature[forest.node_column[node]]])
            at[inner] = np.where(left, forest.node_left[node], forest.node_right[node])
        for position, target in enumerate(targets):
            scores[:, target] += forest.leaf_values[~at, position]
    if len(forest.base):
        scores += forest.base
    return scores


def _go_left(
    forest: Forest, node: npt.NDArray[np.int64], values: npt.NDArray[np.float32]
) -> npt.NDArray[np.bool_]:  # fmt: skip
    column = forest.node_column[node]
    kind = forest.column_kind[column]
    small = (kind == ColumnKind.ZERO_MISSING) & (np.abs(values) <= np.float32(1e-35))
    left = np.where(np.isnan(values) | small, forest.node_nan_left[node], values <= forest.node_split[node])
    looks_up = np.flatnonzero(kind == ColumnKind.TABLE)
    if looks_up.size:
        start, end = (forest.table_start[column[looks_up] + step] for step in (0, 1))
        value = values[looks_up]
        known = (value > -1) & (value < end - start - 1)
        entry = np.where(known, np.abs(np.where(known, value, 0)).astype(np.int64) + 1, 0)
        left[looks_up] = forest.tables[start + entry] == 0
    return left


def _host() -> Any:
    """The native kernels, or the plain ones where those are not built."""
    try:
        from headrace_kernels.native import forest
    except ImportError:
        from headrace_kernels.reference import forest  # type: ignore[no-redef]
    return forest
