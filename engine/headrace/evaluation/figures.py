"""A figure is a value with the interval that says how far to trust it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from headrace.core.hashing import finite_or_none

# More than this share of replicates without an answer (one class only) and the interval is not given.
MAX_UNDEFINED_SHARE = 0.05


@dataclass(frozen=True)
class Figure:
    """A value and its bootstrap interval; NaN where the sample cannot say.

    Attributes:
        value: the figure on the sample itself.
        low: lower end of the interval.
        high: upper end of the interval.
    """

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"

    @classmethod
    def of_replicates(cls, value: float, replicates: npt.NDArray[np.float64], confidence: float) -> Figure:
        """Percentile interval of bootstrap replicates.

        Args:
            value: the figure on the sample itself.
            replicates: float64[R]; NaN where a replicate has no answer, left out up to `MAX_UNDEFINED_SHARE`.
            confidence: share of replicates inside the interval, such as 0.95.

        Reference: Efron and Tibshirani, An Introduction to the Bootstrap, chapter 13.
        """
        defined = replicates[~np.isnan(replicates)]
        if defined.size == 0 or defined.size < (1 - MAX_UNDEFINED_SHARE) * replicates.size:
            return cls(value, float("nan"), float("nan"))
        low, high = np.quantile(defined, [(1 - confidence) / 2, (1 + confidence) / 2])
        return cls(value, float(low), float(high))

    def to_json(self) -> dict[str, Any]:
        """Encode as JSON data; NaN becomes null."""
        return {
            "value": finite_or_none(self.value),
            "low": finite_or_none(self.low),
            "high": finite_or_none(self.high),
        }
