"""Forests in C++: every node of a tree against a block of rows at once, or single rows through several trees at once.

Values become ranks among their column's thresholds first, so that nodes compare bytes; ranks order as values do, so the
comparisons are exact. Sums take the trees in their order, as ONNX Runtime's do on one thread: the bits are the same.
With blocks of 16, 32 or 64 rows (any processor, AVX2, AVX-512) a row costs O(nodes / block); walked, O(trees * depth).

Reference: Lucchese et al., QuickScorer (SIGIR 2015); Ye et al., RapidScorer (KDD 2018); Asadi, Lin and de Vries,
Runtime Optimizations for Tree-Based Machine Learning Models (TKDE 2014).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from headrace_kernels.dtypes import Integers, Matrix
from headrace_kernels.forests import ClassRule, Forest, LinkRule, Scores
from headrace_kernels.native import _forest


class CompiledForest:
    """A forest laid out for scoring; immutable, for any number of threads.

    Args:
        forest: the trees.
        instructions: one of `available_instructions()`, or "" for the last.
        method: "blocks" or "walk", or "" for whichever costs less for the rows there are.

    Raises:
        ValueError: the arrays contradict each other, or a column has more than 65,534 thresholds.
    """

    def __init__(self, forest: Forest, *, instructions: str = "", method: str = "") -> None:
        arrays = {
            name: value if isinstance(value, int) else np.ascontiguousarray(value)
            for name, value in vars(forest).items()
        }
        double = forest.leaf_values.dtype == np.float64
        compiled = _forest.Forest64 if double else _forest.Forest32
        self._forest = compiled(**arrays, instructions=instructions, method=method)

    def score(self, rows: Matrix, scores: Scores) -> None:
        """Add up the leaves that each row reaches; the GIL is released for more than 16 rows.

        Args:
            rows: float32[n_rows, n_features], C-contiguous; NaN goes where each node says.
            scores: [n_rows, n_targets] of the leaves' dtype, C-contiguous, overwritten.

        Raises:
            ValueError: the shapes do not fit.
        """
        self._forest.score(rows, scores)


def available_instructions() -> list[str]:
    """Names of the instruction sets compiled in and on this processor, slowest first; "plain" is always there."""
    return _forest.available_instructions()


def score_forest(forest: Forest, rows: Matrix, scores: Scores) -> None:
    """Compile and score: `CompiledForest.score` for a forest that is needed once."""
    CompiledForest(forest).score(rows, scores)


def link_scores(scores: Scores, rule: LinkRule, predictions: npt.NDArray[np.float32]) -> None:
    """Write predictions of sums, all arithmetic in float64, powers as the C library's `pow` has them.

    Args:
        scores: [n_rows, width], float32 or float64, C-contiguous.
        rule: what to do.
        predictions: float32[n_rows, width], C-contiguous, overwritten.

    Raises:
        ValueError: the shapes differ.
    """
    _forest.link_scores(scores, int(rule.link), rule.base, rule.divisor, predictions)


def classify_scores(
    scores: npt.NDArray[np.float32], rule: ClassRule, labels: Integers, probabilities: npt.NDArray[np.float32]
) -> None:
    """Write labels and probabilities, all arithmetic in float32, exponentials as the C library's `expf` has them.

    Args:
        scores: float32[n_rows, n_classes], or [n_rows, 1] for two classes told apart by one score; C-contiguous.
        rule: what to do.
        labels: int64[n_rows], overwritten.
        probabilities: float32[n_rows, n_classes], C-contiguous, overwritten.

    Raises:
        ValueError: the shapes do not fit.
    """
    _forest.classify_scores(scores, int(rule.transform), rule.all_positive, rule.classes, labels, probabilities)
