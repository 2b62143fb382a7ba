"""Turn LightGBM's split rules into ones a TreeEnsemble can state: `column <= threshold, NaN goes left or right`.

LightGBM compares float64, our input is float32, and its predictor treats some values specially. For every float32 x the
rules written here choose the same child:

* every |x| <= 1e-35 is zero before any comparison, so a threshold inside that range moves to its edge;
* NaN is compared as zero where nothing is missing, and takes the default direction where NaN is missing;
* where zero is missing, zero and NaN take the default direction: the split reads a view with NaN for both;
* a category is the value truncated toward zero; NaN, negatives and strangers go right: the split reads a view of the
  column with the category's number or -1, or bits looked up by it where its set is wide.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import numpy as np

from headrace.packaging.export.forest import Bools, Float64s, Forest, Int64s, Missing, Tree
from headrace.packaging.export.membership import SetTable, build_set_table

# LightGBM's own constant: 1e-35 rounded to float32. Its negative neighbour is the largest float32 it does not flush.
ZERO_THRESHOLD = float(np.float32(1e-35))
_BELOW_ZERO = float(np.nextafter(np.float32(-ZERO_THRESHOLD), np.float32(-np.inf)))


class View(Enum):
    """How a split sees its column."""

    PLAIN = "plain"
    ZERO_MISSING = "zero_missing"  # NaN for NaN and for every |x| <= 1e-35
    CATEGORY = "category"  # the category's number, -1 for NaN, negatives and numbers above any known
    SETS = "sets"  # the columns of the feature's `SetTable`


@dataclass(frozen=True)
class Columns:
    """Columns the tree operator reads: all features as they are, then the views some splits need, in this order.

    Attributes:
        n_features: width of the model input.
        zero_missing: int64[k], features seen through `View.ZERO_MISSING`, ascending.
        category: int64[m], features seen through `View.CATEGORY`, ascending.
        highest_category: int64[m], largest category any split of each such feature knows.
        set_tables: by feature, for those with sets too wide for a node; ascending.
    """

    n_features: int
    zero_missing: Int64s
    category: Int64s
    highest_category: Int64s
    set_tables: dict[int, SetTable]

    def find_set(self, feature: int, members: Int64s) -> tuple[int, Int64s] | None:
        """Where the feature's table has a set: offset among its columns, byte values of members; None if nowhere."""
        table = self.set_tables.get(feature)
        return table.find(members) if table else None

    def positions(self, features: Int64s, view: View) -> Int64s:
        """Column position, or first column position, of each feature seen through a view."""
        start = self.n_features
        if view is View.PLAIN:
            return features
        if view is View.ZERO_MISSING:
            return start + np.searchsorted(self.zero_missing, features)
        start += len(self.zero_missing)
        if view is View.CATEGORY:
            return start + np.searchsorted(self.category, features)
        start += len(self.category)
        widths = [table.bits.shape[1] for table in self.set_tables.values()]
        table = np.searchsorted(np.array(list(self.set_tables), dtype=np.int64), features)
        return start + np.concatenate([[0], np.cumsum(widths, dtype=np.int64)])[table]


@dataclass(frozen=True)
class Rules:
    """Split rules of one tree in a TreeEnsemble's terms, node by node.

    Attributes:
        column: int64[n_nodes], position among `Columns`.
        threshold: float64[n_nodes]; x <= threshold goes left. Unused where `members` has the node.
        nan_left: bool[n_nodes], where NaN goes.
        members: values that go left, by node, for categorical nodes with at least one.
    """

    column: Int64s
    threshold: Float64s
    nan_left: Bools
    members: dict[int, Int64s]


def plan_columns(forest: Forest) -> Columns:
    """Collect the views that a forest's splits need."""
    nothing = np.empty(0, dtype=np.int64)
    zero_missing = [tree.feature[(tree.missing == Missing.ZERO) & ~tree.categorical] for tree in forest.trees]
    sets: dict[int, list[Int64s]] = {}
    for tree in forest.trees:
        for node, members in _sets(tree).items():
            sets.setdefault(int(tree.feature[node]), []).append(members)
    category = sorted(sets)
    highest = [max((int(members[-1]) for members in sets[each] if len(members)), default=0) for each in category]
    tables = {feature: build_set_table(feature, sets[feature]) for feature in category}
    return Columns(
        n_features=forest.n_features,
        zero_missing=np.unique(np.concatenate([nothing, *zero_missing])),
        category=np.array(category, dtype=np.int64),
        highest_category=np.array(highest, dtype=np.int64),
        set_tables={feature: table for feature, table in tables.items() if table is not None},
    )


def plan_rules(tree: Tree, columns: Columns) -> Rules:
    """State one tree's splits over the planned columns."""
    zero_missing = (tree.missing == Missing.ZERO) & ~tree.categorical
    column = tree.feature.copy()
    column[zero_missing] = columns.positions(tree.feature[zero_missing], View.ZERO_MISSING)
    column[tree.categorical] = columns.positions(tree.feature[tree.categorical], View.CATEGORY)
    threshold = np.where(zero_missing, tree.threshold, _flushed(tree.threshold))
    threshold[tree.categorical] = -2.0  # below every category number: a split without members sends all right
    nan_left = np.where(tree.missing == Missing.NONE, tree.threshold >= 0.0, tree.default_left) & ~tree.categorical
    sets = {node: members for node, members in _sets(tree).items() if len(members)}
    found = {node: columns.find_set(int(tree.feature[node]), members) for node, members in sets.items()}
    packed = {node: place for node, place in found.items() if place is not None}
    nodes = np.array(list(packed), dtype=np.int64)
    offsets = np.array([offset for offset, _ in packed.values()], dtype=np.int64)
    column[nodes] = columns.positions(tree.feature[nodes], View.SETS) + offsets
    return Rules(column, threshold, nan_left, sets | {node: values for node, (_, values) in packed.items()})


def _sets(tree: Tree) -> dict[int, Int64s]:
    """Members that go left, by categorical node."""
    return {int(node): tree.categories[int(tree.threshold[node])] for node in np.flatnonzero(tree.categorical)}


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
