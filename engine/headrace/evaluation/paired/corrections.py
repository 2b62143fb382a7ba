"""Many tests at once: p-values raised so that one bound holds for all of them together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt

Correction = Literal["holm", "benjamini-hochberg"]


def adjusted_p_values(p_values: Sequence[float], correction: Correction = "holm") -> npt.NDArray[np.float64]:
    """Adjust p-values: those at or below alpha are rejected with the error held at alpha.

    `holm` holds the chance of any false rejection, whatever the dependence between tests; `benjamini-hochberg` the
    share of false ones among the rejections, for tests that are independent or lean the same way. A NaN (no test could
    be made) stays NaN and is not counted as a test. O(m log m).

    Args:
        p_values: float64[m].
        correction: which error is held.

    Reference: Holm, Scandinavian Journal of Statistics 6 (1979); Benjamini and Hochberg, JRSS B 57 (1995).
    """
    given = np.asarray(p_values, np.float64)
    adjusted = np.full(given.shape, np.nan)
    known = np.flatnonzero(~np.isnan(given))
    order = known[np.argsort(given[known], kind="stable")]
    ranked, tests = given[order], order.size
    if correction == "holm":
        raised = np.maximum.accumulate(ranked * (tests - np.arange(tests)))
    else:
        raised = np.minimum.accumulate((ranked * tests / np.arange(1, tests + 1))[::-1])[::-1]
    adjusted[order] = np.minimum(raised, 1.0)
    return adjusted


def holm(p_values: Sequence[float], alpha: float) -> list[bool]:
    """Which tests are rejected with the chance of any false rejection at most alpha; a NaN is not rejected."""
    return [bool(value <= alpha) for value in adjusted_p_values(p_values, "holm")]
