"""The block bootstrap: whole days are drawn, because the flights of one day share its weather.

Drawing rows one by one would treat them as independent and give intervals several times too narrow. One set of draws
serves every metric, slice and comparison of an evaluation, so differences are paired.
Reference: Efron and Tibshirani, An Introduction to the Bootstrap, section 8.6 (blocks); Field and Welsh, JRSS B 69
(2007), for resampling whole clusters.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from headrace.evaluation.metrics import Labels, Scores, average_precision

# Beyond this many, neighbouring blocks are merged: wider blocks only allow for longer dependence.
MAX_BLOCKS = 400

# Beyond this many distinct scores, neighbours share a step of the precision-recall curve in the replicates.
MAX_STEPS = 2_048

# Replicates worked on together: bounds the memory to a few arrays of MAX_STEPS x this.
REPLICATES_AT_ONCE = 250


@dataclass(frozen=True)
class Resamples:
    """Bootstrap draws of blocks.

    Attributes:
        blocks: int64[n], the block of each row, 0..B-1.
        counts: float64[R, B], how often each replicate drew each block; integers, so products of them are exact.
    """

    blocks: npt.NDArray[np.int64]
    counts: npt.NDArray[np.float64]

    @classmethod
    def draw(cls, block_ids: npt.NDArray[np.int64], *, replicates: int, seed: int) -> Resamples:
        """Draw blocks with replacement.

        Args:
            block_ids: int64[n], ordered ids such as the day of each row.
            replicates: how many draws.
            seed: of the draws.
        """
        ids, codes = np.unique(block_ids, return_inverse=True)
        n_blocks = min(ids.size, MAX_BLOCKS)
        codes = codes.astype(np.int64) * n_blocks // max(ids.size, 1)
        draws = np.random.default_rng(seed).integers(0, max(n_blocks, 1), size=(replicates, n_blocks))
        flat = draws + np.arange(replicates)[:, None] * n_blocks
        counts = np.bincount(flat.ravel(), minlength=replicates * n_blocks).reshape(replicates, n_blocks)
        return cls(codes, counts.astype(np.float64))

    @property
    def n_blocks(self) -> int:
        """Blocks that hold any of the rows: what an interval's width rests on."""
        return int(np.unique(self.blocks).size)

    def subset(self, rows: npt.NDArray[np.intp]) -> Resamples:
        """The same draws for some of the rows."""
        return Resamples(self.blocks[rows], self.counts)

    def totals(self, values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Sum of a per-row value in each replicate. `values: float64[n]` to float64[R]."""
        sums = np.bincount(self.blocks, weights=values, minlength=self.counts.shape[1])
        # einsum, not BLAS: the order of additions, and so the last bit, depends on nothing but the shapes.
        totals: npt.NDArray[np.float64] = np.einsum("rb,b->r", self.counts, sums)
        return totals

    def means(self, values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Mean of a per-row value in each replicate; NaN where the replicate is empty."""
        with np.errstate(invalid="ignore"):
            return self.totals(values) / self.totals(np.ones(values.size))

    def auc(self, labels: Labels, scores: Scores) -> npt.NDArray[np.float64]:
        """AUC in each replicate, exactly that of the drawn rows; NaN where one class is absent.

        The pairs of (positive of block a, negative of block b) in the right order are counted once; a replicate is
        then a quadratic form in its block counts. O(B n log n + R B^2) instead of O(R n).
        """
        ordered = self._concordance(labels, scores)
        with np.errstate(invalid="ignore"):
            pairs = self.totals(labels.astype(np.float64)) * self.totals((~labels).astype(np.float64))
            areas: npt.NDArray[np.float64] = ((self.counts @ ordered) * self.counts).sum(axis=1) / (2 * pairs)
        return areas

    def average_precision(self, labels: Labels, scores: Scores) -> npt.NDArray[np.float64]:
        """Average precision in each replicate; NaN where no positive was drawn. O(n log n + R B G), G <= `MAX_STEPS`.

        Exact up to `MAX_STEPS` distinct scores. Beyond, neighbouring scores are taken as one step and the replicates
        are moved by what that changes on the sample itself: their spread is what the interval is made of.
        """
        steps = _descending_steps(scores)
        n_steps, n_blocks = int(steps.max()) + 1, self.counts.shape[1]
        cells = steps * n_blocks + self.blocks
        taken = np.bincount(cells, minlength=n_steps * n_blocks).reshape(n_steps, n_blocks)
        hits = np.bincount(cells, weights=labels, minlength=n_steps * n_blocks).reshape(n_steps, n_blocks)
        parts = [
            _average_precision(np.cumsum(hits @ counts.T, axis=0), np.cumsum(taken @ counts.T, axis=0))
            for counts in np.array_split(self.counts, math.ceil(len(self.counts) / REPLICATES_AT_ONCE))
        ]
        moved = 0.0
        if np.unique(scores).size > n_steps:
            coarse = _average_precision(hits.sum(axis=1).cumsum()[:, None], taken.sum(axis=1).cumsum()[:, None])
            moved = average_precision(labels, scores) - float(coarse[0])
        return np.concatenate(parts) + moved

    def _concordance(self, labels: Labels, scores: Scores) -> npt.NDArray[np.float64]:
        n_blocks = self.counts.shape[1]
        order = np.argsort(scores[labels], kind="stable")
        positives, positive_blocks = scores[labels][order], self.blocks[labels][order]
        negatives, negative_blocks = scores[~labels], self.blocks[~labels]
        ordered = np.zeros((n_blocks, n_blocks))
        for block in np.unique(negative_blocks):
            rivals = np.sort(negatives[negative_blocks == block])
            twice = np.searchsorted(rivals, positives, "left") + np.searchsorted(rivals, positives, "right")
            ordered[:, block] = np.bincount(positive_blocks, weights=twice, minlength=n_blocks)
        return ordered


def _descending_steps(scores: Scores) -> npt.NDArray[np.int64]:
    """Step of each row: 0 for the highest scores, equal scores on one step, at most `MAX_STEPS` steps."""
    distinct, codes = np.unique(-scores, return_inverse=True)
    if distinct.size <= MAX_STEPS:
        return codes.astype(np.int64)
    last_row = np.cumsum(np.bincount(codes)) - 1
    return np.unique(last_row * MAX_STEPS // scores.size, return_inverse=True)[1].astype(np.int64)[codes]


def _average_precision(hits: npt.NDArray[np.float64], taken: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Average precision from running sums, float64[steps, R] each, to float64[R]; sums are integers, so exact."""
    gains = np.diff(hits, axis=0, prepend=0.0)
    with np.errstate(invalid="ignore"):
        return np.asarray((gains * (hits / np.maximum(taken, 1.0))).sum(axis=0) / hits[-1])
