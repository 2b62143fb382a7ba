"""Figures of an order within queries: int64[n] grades, float64[n] scores, int64[n] queries, no NaN."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def per_query(
    grades: npt.NDArray[np.int64], scores: npt.NDArray[np.float64], queries: npt.NDArray[np.int64], *, at: int
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Judge each query's order.

    Rows with equal scores keep their order. A query without a relevant row says nothing and counts 1, as LightGBM
    counts it, so that figures can be compared.

    Args:
        grades: relevance, 0 or more.
        scores: higher comes first.
        queries: which query each row belongs to, in any order.
        at: how many of the first rows count.

    Returns:
        a row of each query, its NDCG and its average precision at `at` (a grade above 0 is relevant).

    Reference: Järvelin and Kekäläinen, ACM TOIS 20 (2002), with gains 2^grade - 1.
    """
    order = np.lexsort((np.arange(scores.size), -scores, queries))
    ideal = np.lexsort((-grades, queries))
    starts = np.flatnonzero(np.concatenate([[True], np.diff(queries[order]) != 0]))
    sizes = np.diff(np.append(starts, scores.size))
    rank = np.arange(scores.size) - np.repeat(starts, sizes)
    discount = np.where(rank < at, 1.0 / np.log2(rank + 2.0), 0.0)
    gained = np.add.reduceat(np.exp2(grades[order]) * discount - discount, starts)
    possible = np.add.reduceat(np.exp2(grades[ideal]) * discount - discount, starts)
    with np.errstate(invalid="ignore"):
        ndcg = np.where(possible > 0, gained / possible, 1.0)
    relevant = (grades[order] > 0).astype(np.float64)
    found = np.cumsum(relevant) - np.repeat(np.cumsum(relevant)[starts] - relevant[starts], sizes)
    precision = np.add.reduceat(np.where(rank < at, relevant * found / (rank + 1.0), 0.0), starts)
    total = np.minimum(np.add.reduceat(relevant, starts), at)
    average = np.where(total > 0, precision / np.maximum(total, 1.0), 1.0)
    return order[starts], ndcg, average
