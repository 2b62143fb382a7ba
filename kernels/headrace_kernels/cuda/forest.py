"""Forests on the device: one thread a row, several trees walked together, leaves added in the trees' order.

Sums have the CPU's bits: leaves are selections, and each addition is the CPU's, in its order. O(trees * depth) a row.

Nodes have 8 bytes, a test and both children in one load; 300 trees of 63 leaves are 300 KB, which stay in the caches,
as do their leaves. Rows of up to 64 features are staged in shared memory and read there without conflicts; wider ones
are turned into columns first, some 64 MB at a time. From 32,768 rows on a row is read once and its sum written once: 4
bytes a feature and 8 a target. Below, trees are parted among blocks so that the device is full, and 4 bytes a row and
tree go through a buffer of at most 32 MB, which stays in the second cache.

Reference: Sharp, Implementing Decision Trees and Forests on a GPU (ECCV 2008).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from headrace_kernels.cuda import device
from headrace_kernels.cuda.device import DeviceArray
from headrace_kernels.cuda.forest_layout import lay_out
from headrace_kernels.cuda.links import link_scores
from headrace_kernels.cuda.source import Source
from headrace_kernels.forests import Forest

__all__ = ["CudaForest", "link_scores", "score_forest"]

SOURCE = Source("forest")
BLOCK_ROWS = 128
"""Rows of a block, as in forest.cu."""

STAGED_FEATURES = 64
"""Widest rows that fit shared memory, as in forest.cu."""

WHOLE_ROWS = 32_768
"""From so many rows on there are blocks enough for every multiprocessor, and trees are not parted among them."""

PLACES_BYTES = 32 << 20
COLUMNS_BYTES = 64 << 20
_TURNED_TILE = 32
_PART_BLOCKS = 1024
"""Blocks that parting trees aims at: several for each multiprocessor."""

_LEAST_PART = 8
"""Trees of a part: staging a row costs what walking a few trees does."""


class CudaForest:
    """A forest in the memory of the current device; immutable, for any number of threads.

    Args:
        forest: the trees, on the host.
        whole_rows: rows from which on a batch is scored in one launch.

    Raises:
        ValueError: the arrays contradict each other.
        OutOfMemoryError: the device's memory does not hold it.
    """

    def __init__(self, forest: Forest, *, whole_rows: int = WHOLE_ROWS) -> None:
        self._whole_rows = whole_rows
        layout = lay_out(forest)
        self.n_features = forest.n_features
        self.n_targets = forest.n_targets
        self.n_trees = len(forest.tree_root)
        self.dtype = forest.leaf_values.dtype
        self._kind = "f64" if self.dtype == np.float64 else "f32"
        self._is_narrow = layout.is_narrow
        self._staged = forest.n_features <= STAGED_FEATURES
        self._width = forest.leaf_values.shape[1]
        self._nodes = device.put(layout.nodes)
        self._starts = device.put(layout.starts)
        self._leaves = device.put(layout.leaves)
        self._targets = device.put(forest.tree_targets.astype(np.int32))
        self._table_start = device.put(forest.table_start.astype(np.int64))
        self._tables = device.put(forest.tables.astype(np.uint8)) if len(forest.tables) else None
        self._base = device.put(forest.base.astype(self.dtype)) if len(forest.base) else None

    def working_bytes(self, n_rows: int) -> int:
        """Device memory that scoring so many rows takes beside rows and scores."""
        rows = min(n_rows, self._chunk_rows())
        places = 0 if self._goes_whole(n_rows) else 4 * rows * self.n_trees
        return places + (0 if self._staged else 4 * rows * self.n_features)

    def score(self, rows: DeviceArray, scores: DeviceArray) -> None:
        """Add up the leaves that each row reaches.

        Args:
            rows: float32[n_rows, n_features]; NaN goes where each node says.
            scores: [n_rows, n_targets] of the leaves' dtype, overwritten.

        Raises:
            ValueError: the shapes do not fit.
            DeviceError: the device failed.
        """
        n = len(rows)
        if rows.shape != (n, self.n_features) or scores.shape != (n, self.n_targets):
            raise ValueError(
                f"rows {list(rows.shape)} and scores {list(scores.shape)} do not fit {self.n_features} features and "
                f"{self.n_targets} targets"
            )
        if self._goes_whole(n):
            self._score_whole(rows, scores)
            return
        step = self._chunk_rows()
        for first in range(0, n, step):
            self._score_parted(rows[first : first + step], scores[first : first + step])

    def _goes_whole(self, n_rows: int) -> bool:
        return n_rows >= self._whole_rows and self._staged and self._is_narrow

    def _chunk_rows(self) -> int:
        rows = PLACES_BYTES // (4 * self.n_trees)
        if not self._staged:
            rows = min(rows, COLUMNS_BYTES // (4 * self.n_features))
        return max(BLOCK_ROWS, rows // BLOCK_ROWS * BLOCK_ROWS)

    def _score_whole(self, rows: DeviceArray, scores: DeviceArray) -> None:
        SOURCE.launch(
            f"score_{self._kind}", len(rows), rows, len(rows), self.n_features, self._nodes, self._starts, self.n_trees,
            self._table_start, self._tables, self._leaves, self._targets, self._width, self.n_targets, self._base,
            scores, threads=BLOCK_ROWS,
        )  # fmt: skip

    def _score_parted(self, rows: DeviceArray, scores: DeviceArray) -> None:
        n = len(rows)
        tiles = -(-n // BLOCK_ROWS)
        part = max(_LEAST_PART, -(-self.n_trees * tiles // _PART_BLOCKS))
        places = device.empty((self.n_trees, n), np.int32)
        SOURCE.launch_blocks(
            "find_narrow" if self._is_narrow else "find_wide", tiles * -(-self.n_trees // part),
            rows if self._staged else _turned(rows), n, self.n_features if self._staged else 0, self._nodes,
            self._starts, self.n_trees, part, self._table_start, self._tables, places, threads=BLOCK_ROWS,
        )  # fmt: skip
        SOURCE.launch(
            f"add_{self._kind}", n, places, n, self.n_trees, self._leaves, self._targets, self._width, self.n_targets,
            self._base, scores,
        )  # fmt: skip


def score_forest(forest: Forest, rows: DeviceArray, scores: DeviceArray) -> None:
    """Copy a forest to the device and score: `CudaForest.score` for a forest that is needed once.

    Args:
        forest: the trees, on the host.
        rows: float32[n_rows, n_features].
        scores: [n_rows, n_targets] of the leaves' dtype, overwritten.
    """
    CudaForest(forest).score(rows, scores)


def _turned(rows: DeviceArray) -> Any:
    """The same values, column after column."""
    n, n_features = rows.shape
    columns = device.empty((n_features, n), np.float32)
    tiles = -(-n // _TURNED_TILE) * -(-n_features // _TURNED_TILE)
    SOURCE.launch_blocks("turn_rows", tiles, rows, n, n_features, columns)
    return columns
