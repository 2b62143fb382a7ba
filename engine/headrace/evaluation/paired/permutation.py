"""The sign-flip test of paired losses: exact where two models are exchangeable within each block."""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt

ALL_FLIPS_UP_TO = 14  # blocks; beyond, flips are drawn

Tail = Literal["two-sided", "above"]


def sign_flip_p_value(
    differences: npt.NDArray[np.float64],
    blocks: npt.NDArray[np.int64],
    *,
    flips: int = 10_000,
    seed: int = 0,
    tail: Tail = "two-sided",
) -> float:
    """p-value of "the models are alike": which of the two gave a block's losses does not matter.

    The statistic is the sum of the differences, whole blocks changing sign together; so rows of one block may depend
    on each other. It is for metrics that are means of rows (losses, profit), and for few blocks, where it is exact.
    All sign patterns are tried up to `ALL_FLIPS_UP_TO` blocks. O(flips x blocks).

    Args:
        differences: float64[n], of each row, first minus second.
        blocks: int64[n].
        flips: patterns drawn where there are too many to try all.
        seed: of the draws.
        tail: `above` asks whether the first is larger.

    Reference: Pitman, JRSS Supplement 4 (1937); Phipson and Smyth, SAGMB 9 (2010) for counting the sample itself.
    """
    ids, codes = np.unique(blocks, return_inverse=True)
    sums = np.bincount(codes, weights=differences, minlength=ids.size)
    exhaustive = ids.size <= ALL_FLIPS_UP_TO
    if exhaustive:
        patterns = (np.arange(2**ids.size)[:, None] >> np.arange(ids.size)) & 1
    else:
        patterns = np.random.default_rng(seed).integers(0, 2, size=(flips, ids.size))
    totals = (1.0 - 2.0 * patterns) @ sums
    found = float(sums.sum())
    rounding = 1e-9 * float(np.abs(sums).sum())  # sums in another order still count as equal
    extreme = np.abs(totals) >= abs(found) - rounding if tail == "two-sided" else totals >= found - rounding
    hits = int(extreme.sum())
    return hits / len(totals) if exhaustive else (hits + 1) / (len(totals) + 1)
