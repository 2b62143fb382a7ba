"""A LightGBM model as plain arrays: what the graph builders read, and nothing that needs LightGBM.

Numbers are those of the model text, which prints every threshold, leaf value and coefficient with 17 significant
digits: reading them back gives the same float64 bits that LightGBM predicts with.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import IntEnum

import numpy as np
import numpy.typing as npt

from headrace.core.errors import InvalidInputError

Float64s = npt.NDArray[np.float64]
Int64s = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


class Missing(IntEnum):
    """Which values take a node's default direction instead of being compared."""

    NONE = 0  # nothing does; NaN is compared as 0
    ZERO = 1  # NaN and every |x| <= 1e-35
    NAN = 2  # NaN


@dataclass(frozen=True)
class LinearLeaves:
    """Linear models at the leaves of one tree.

    Attributes:
        constant: float64[n_leaves], added first.
        features: one int64[k] a leaf, k >= 0; original feature positions in summation order.
        coefficients: one float64[k] a leaf.
    """

    constant: Float64s
    features: tuple[Int64s, ...]
    coefficients: tuple[Float64s, ...]


@dataclass(frozen=True)
class Tree:
    """One tree; node i splits into `left[i]` (the comparison holds) and `right[i]`.

    Attributes:
        feature: int64[n_nodes], position in the model input.
        threshold: float64[n_nodes]; x <= threshold goes left. For a categorical node, an index into `categories`.
        missing: int64[n_nodes], values of `Missing`.
        default_left: bool[n_nodes], direction of missing values.
        categorical: bool[n_nodes].
        left: int64[n_nodes]; a node, or ~leaf when negative.
        right: int64[n_nodes], the same.
        leaf_value: float64[n_leaves], n_leaves = n_nodes + 1; a tree of one leaf has no nodes.
        categories: one int64[m] a categorical split, ascending, m >= 0; members go left.
        linear: the leaves' linear models, or None where leaves are constants.
    """

    feature: Int64s
    threshold: Float64s
    missing: Int64s
    default_left: Bools
    categorical: Bools
    left: Int64s
    right: Int64s
    leaf_value: Float64s
    categories: tuple[Int64s, ...]
    linear: LinearLeaves | None

    @property
    def n_nodes(self) -> int:
        """Number of splits."""
        return len(self.feature)

    @property
    def n_leaves(self) -> int:
        """Number of leaves."""
        return len(self.leaf_value)


@dataclass(frozen=True)
class Forest:
    """A whole model: trees in summation order, `outputs` of them an iteration.

    Attributes:
        feature_names: one a column of the input.
        outputs: raw scores a row (1, or the number of classes).
        objective: the objective and its parameters as LightGBM prints them ("binary sigmoid:1"); "" for a custom one.
        average: whether the outputs are divided by the number of iterations (random forests).
        trees: iteration by iteration, and output by output within one.
    """

    feature_names: tuple[str, ...]
    outputs: int
    objective: str
    average: bool
    trees: tuple[Tree, ...]

    @property
    def n_features(self) -> int:
        """Columns of the input."""
        return len(self.feature_names)

    @property
    def iterations(self) -> int:
        """Boosting rounds."""
        return len(self.trees) // self.outputs

    @property
    def is_linear(self) -> bool:
        """Whether any tree has linear leaves."""
        return any(tree.linear is not None for tree in self.trees)

    def select(self, start_iteration: int, num_iteration: int) -> Forest:
        """The iterations that LightGBM's predict would use for the same two arguments.

        Args:
            start_iteration: first iteration; below 0 counts as 0, past the end as the end.
            num_iteration: how many; 0 or less means all that follow.
        """
        start = min(max(start_iteration, 0), self.iterations)
        stop = self.iterations if num_iteration <= 0 else min(start + num_iteration, self.iterations)
        return replace(self, trees=self.trees[start * self.outputs : stop * self.outputs])


def check_tree(tree: Tree, *, n_features: int, position: int) -> Tree:
    """Return the tree if its arrays agree with each other and its splits with the input.

    Raises:
        InvalidInputError: lengths differ, a child or feature is out of range.
    """
    lengths = {len(array) for array in (tree.threshold, tree.missing, tree.categorical, tree.left, tree.right)}
    if lengths != {tree.n_nodes} or tree.n_leaves != tree.n_nodes + 1:
        raise InvalidInputError(f"tree {position} has {tree.n_nodes} splits, {tree.n_leaves} leaves, arrays {lengths}")
    children = np.concatenate([tree.left, tree.right])
    parents = np.tile(np.arange(tree.n_nodes), 2)
    expected = np.concatenate([np.arange(-tree.n_leaves, 0), np.arange(1, tree.n_nodes)])
    forward = (children < 0) | (children > parents)  # a node is numbered after its parent, so there is no cycle
    if tree.n_nodes and not (forward.all() and np.array_equal(np.sort(children), expected)):
        raise InvalidInputError(f"tree {position}: each leaf and each node but the first must have one earlier parent")
    used = [tree.feature, *(tree.linear.features if tree.linear else ())]
    highest = max((int(each.max()) for each in used if len(each)), default=0)
    if highest >= n_features:
        raise InvalidInputError(f"tree {position} reads feature {highest}; the model declares {n_features} features")
    return tree
