"""Which of the two forms a forest takes on CUDA, by a rule over depths and leaves.

Costs are counted, not measured. Both forms only move memory, so a form costs the bytes it moves a tree and row, plus
its launches: one operator is one kernel, and a launch counts as the bytes that an H200 moves in the same time. The
matrix form has nine launches whatever the depth and moves bytes by leaves; the traversal has seven launches a level and
moves bytes by depth. In batches of `ROWS` launches decide for few trees and bytes for many. Where leaf-wise trees are
1.8 log2(leaves) deep, the matrix form is chosen up to 100 leaves for 30 trees, 26 for 100, 11 for 300, 7 for 1,000;
for complete trees up to 43, 10, none, none. Chains, as deep as they have leaves, always take it.
"""

from __future__ import annotations

from enum import Enum
from itertools import pairwise

import numpy as np

from headrace.packaging.export.forest import Forest, Int64s
from headrace.packaging.export.tensors.paths import MOST_SLOTS
from headrace.packaging.export.tensors.slots import Slots
from headrace.packaging.export.tensors.traversal import active_trees

ROWS = 8_192
LAUNCH_BYTES = 12_000_000  # 3 us, which is assumed, at 4.3 TB/s, which was measured
LARGEST_MATRICES_BYTES = 1 << 26
_FIRST, _LEVEL, _CUT = (18, 3), (62, 7), (8, 1)
_FIRST_CODES, _LEVEL_CODES = (42, 5), (94, 10)


class Strategy(Enum):
    """Form of a forest as tensor operations."""

    TRAVERSAL = "traversal"
    PATHS = "paths"


def choose_strategy(forest: Forest, slots: Slots, *, has_codes: bool) -> Strategy:
    """Choose the form that costs less; forests whose path matrices are too large are traversed.

    Args:
        forest: the trees.
        slots: their numbering.
        has_codes: whether any split is on categories.
    """
    trees = np.flatnonzero(slots.depth)
    if not len(trees) or not fits_paths(forest, slots):
        return Strategy.TRAVERSAL
    walked = traversal_cost(slots.depth[trees], has_codes=has_codes)
    return Strategy.PATHS if paths_cost(forest, len(trees), has_codes=has_codes) < walked else Strategy.TRAVERSAL


def fits_paths(forest: Forest, slots: Slots) -> bool:
    """Whether the path matrices are of a reasonable size and their numbers exact."""
    most = max((tree.n_leaves for tree in forest.trees), default=1)
    return 2 * most <= MOST_SLOTS and 4 * most * most * len(slots.root) <= LARGEST_MATRICES_BYTES


def traversal_cost(depths: Int64s, *, has_codes: bool) -> float:
    """Bytes of a batch of `ROWS` rows, launches included.

    Args:
        depths: int64[n_trees], at least 1 each.
        has_codes: whether any split is on categories.
    """
    first, level = (_FIRST_CODES, _LEVEL_CODES) if has_codes else (_FIRST, _LEVEL)
    counts = active_trees(-np.sort(-depths))
    moved, launches = first[0] * counts[0], first[1]
    for before, count in pairwise(counts):
        moved += level[0] * count + (_CUT[0] * before if count < before else 0)
        launches += level[1] + (_CUT[1] if count < before else 0)
    return moved * ROWS + launches * float(LAUNCH_BYTES)


def paths_cost(forest: Forest, n_trees: int, *, has_codes: bool) -> float:
    """The same for the matrix form."""
    most = max(tree.n_leaves for tree in forest.trees)
    moved = (50 if has_codes else 22) * (most - 1) + 18 * most + 32
    return float(moved * n_trees * ROWS + (11 if has_codes else 9) * LAUNCH_BYTES)
