"""Whether chance explains a difference: tests of two samples, and their correction for being many.

All tests take two independent samples. A reference that is itself a sample of the past is one of them.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

_LEAST_EXPECTED = 5.0
Counts = npt.NDArray[np.int64]


def same_distribution(counts: Counts, reference: Counts) -> float:
    """p-value of two tables of counts coming from one distribution: chi-square of homogeneity.

    Bins are merged with their neighbours until the smaller sample expects five rows in each (Cochran's rule). 1 where
    nothing can be said: fewer than two bins or an empty sample.

    Args:
        counts: int64[n_bins].
        reference: int64[n_bins].

    Reference: Pearson (1900); Cochran, "Some methods for strengthening the common chi-square tests", 1954.
    """
    from scipy.stats import chi2_contingency

    both = _merged(np.stack([counts, reference]).astype(np.float64))
    if both.shape[1] < 2:
        return 1.0
    return float(chi2_contingency(both, correction=False).pvalue)


def same_rate(hits: int, rows: int, reference_hits: int, reference_rows: int) -> float:
    """p-value of two shares being equal: Fisher's exact test for small counts, else chi-square with correction.

    1 where a sample is empty.
    """
    from scipy.stats import chi2_contingency, fisher_exact

    table = np.array([[hits, rows - hits], [reference_hits, reference_rows - reference_hits]])
    if rows == 0 or reference_rows == 0 or (table.sum(axis=0) == 0).any():
        return 1.0
    expected = table.sum(axis=0).min() * min(rows, reference_rows) / table.sum()
    if expected < _LEAST_EXPECTED and table.sum() < 200_000:
        return float(fisher_exact(table).pvalue)
    return float(chi2_contingency(table, correction=True).pvalue)


def same_correlation(value: float, rows: int, reference: float, reference_rows: int) -> float:
    """p-value of two rank correlations being equal: Fisher's z, with Fieller's 1.06 for ranks, twice as wide.

    Heavy ties and outliers widen the spread of a rank correlation; the doubled spread leaves room for it.
    """
    from scipy.stats import norm

    if min(rows, reference_rows) < 10:
        return 1.0
    limit = 1 - 1e-9
    gap = np.arctanh(np.clip(value, -limit, limit)) - np.arctanh(np.clip(reference, -limit, limit))
    spread = 2.0 * np.sqrt(1.06 / (rows - 3) + 1.06 / (reference_rows - 3))
    return float(2.0 * norm.sf(abs(gap) / spread))


def holm(p_values: Sequence[float], alpha: float) -> list[bool]:
    """Say for each p-value whether it is rejected with the chance of any false rejection held at alpha.

    Whatever the dependence between the tests. Empty input gives an empty list. Complexity: O(m log m).

    Reference: Holm, "A simple sequentially rejective multiple test procedure", 1979.
    """
    order = sorted(range(len(p_values)), key=p_values.__getitem__)
    rejected = [False] * len(p_values)
    for rank, index in enumerate(order):
        if p_values[index] > alpha / (len(p_values) - rank):
            break
        rejected[index] = True
    return rejected


def _merged(both: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Merge neighbouring bins until each has enough expected rows in both samples."""
    totals = both.sum(axis=1)
    if (totals == 0).any():
        return both[:, :0]
    share = totals.min() / totals.sum()
    columns: list[npt.NDArray[np.float64]] = []
    current = np.zeros(2)
    for column in both.T:
        current = current + column
        if current.sum() * share >= _LEAST_EXPECTED:
            columns.append(current)
            current = np.zeros(2)
    if current.sum() > 0:
        if columns:
            columns[-1] = columns[-1] + current
        else:
            columns.append(current)
    return np.stack(columns, axis=1) if columns else both[:, :0]
