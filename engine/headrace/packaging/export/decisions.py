"""Turn LightGBM's split rules into ones a TreeEnsemble can state: `column <= threshold, NaN goes left or right`.

LightGBM compares float64, our input is float32, and its predictor treats some values specially. For every float32 x the
rules written here choose the same child:

* every |x| <= 1e-35 is zero before any comparison, so a threshold inside that range moves to its edge;
* NaN is compared as zero where nothing is missing, and takes the default direction where NaN is missing;
* where zero is missing, zero and NaN take the default direction: the split reads a view with NaN for both;
* a category is the value truncated toward zero; NaN, negatives and strangers go right: the split reads a view of the
  column with the category's number, or -1.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import numpy as np

from headrace.packaging.export.forest import Bools, Float64s, Forest, Int64s, Missing, Tree

# LightGBM's own constant: 1e-35 rounded to float32. Its negative neighbour is the largest float32 it does not flush.
ZERO_THRESHOLD = float(np.float32(1e-35))
_BELOW_ZERO = float(np.nextafter(np.float32(-ZERO_THRESHOLD), np.float32(-np.inf)))


class View(Enum):
    """How a split sees its column."""

    PLAIN = "plain"
    ZERO_MISSING = "zero_missing"  # NaN for NaN and for every |x| <= 1e-35
    CATEGORY = "category"  # the category's number, -1 for NaN, negatives and numbers above any known


@dataclass(frozen=True)
class Columns:
    """Columns the tree operator reads: all features as they are, then the views some splits need.

    Attributes:
        n_features: width of the model input.
        zero_missing: int64[k], features seen through `View.ZERO_MISSING`, ascending.
        category: int64[m], features seen through `View.CATEGORY`, ascending.
        highest_category: largest category any split knows; 0 without categorical splits.
    """

    n_features: int
    zero_missing: Int64s
    category: Int64s
    highest_category: int

    def positions(self, features: Int64s, view: View) -> Int64s:
        """Column positions of features seen through a view."""
        if view is View.PLAIN:
            return features
        if view is View.ZERO_MISSING:
            return self.n_features + np.searchsorted(self.zero_missing, features)
        return self.n_features + len(self.zero_missing) + np.searchsorted(self.category, features)


@dataclass(frozen=True)
class Rules:
    """Split rules of one tree in a TreeEnsemble's terms, node by node.

    Attributes:
        column: int64[n_nodes], position among `Columns`.
        threshold: float64[n_nodes]; x <= threshold goes left. Unused where `members` has the node.
        nan_left: bool[n_nodes], where NaN goes.
        members: categories that go left, by node, for categorical nodes with at least one.
    """

    column: Int64s
    threshold: Float64s
    nan_left: Bools
    members: dict[int, Int64s]


def plan_columns(forest: Forest) -> Columns:
    """Collect the views that a forest's splits need."""
    zero_missing = [tree.feature[(tree.missing == Missing.ZERO) & ~tree.categorical] for tree in forest.trees]
    category = [tree.feature[tree.categorical] for tree in forest.trees]
    known = [members.max() for tree in forest.trees for members in tree.categories if len(members)]
    nothing = np.empty(0, dtype=np.int64)
    return Columns(
        n_features=forest.n_features,
        zero_missing=np.unique(np.concatenate([nothing, *zero_missing])),
        category=np.unique(np.concatenate([nothing, *category])),
        highest_category=int(max(known, default=0)),
    )


def plan_rules(tree: Tree, columns: Columns) -> Rules:
    """State one tree's splits over the planned columns."""
    zero_missing = (tree.missing == Missing.ZERO) & ~tree.categorical
    column = tree.feature.copy()
    column[zero_missing] = columns.positions(tree.feature[zero_missing], View.ZERO_MISSING)
    column[tree.categorical] = columns.positions(tree.feature[tree.categorical], View.CATEGORY)
    threshold = np.where(zero_missing, tree.threshold, _flushed(tree.threshold))
    nan_left = np.where(tree.missing == Missing.NONE, tree.threshold >= 0.0, tree.default_left) & ~tree.categorical
    members = {int(node): tree.categories[int(tree.threshold[node])] for node in np.flatnonzero(tree.categorical)}
    threshold[tree.categorical] = -2.0  # below every category number: a split without members sends all right
    return Rules(column, threshold, nan_left, {node: each for node, each in members.items() if len(each)})


def floor_to_float32(values: Float64s) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    """The largest float32 not above each value: x <= value and x <= floor agree for every float32 x.

    Args:
        values: float64[...]; -inf and +inf stay, finite values beyond float32 become -inf or the largest float32.
    """
    with np.errstate(over="ignore", under="ignore"):
        rounded = values.astype(np.float32)
        return np.where(rounded > values, np.nextafter(rounded, np.float32(-np.inf)), rounded)


def _flushed(threshold: Float64s) -> Float64s:
    """Thresholds that treat each |x| <= 1e-35 as x = 0 is treated by the given ones."""
    small = np.abs(threshold) <= ZERO_THRESHOLD
    return np.where(small, np.where(threshold >= 0.0, ZERO_THRESHOLD, _BELOW_ZERO), threshold)
