"""A figure is a value with the interval that says how far to trust it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import lru_cache
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
        error: standard error, that of the bootstrap made wider by what few blocks lack; NaN where it is not known.
        blocks: how many blocks were drawn from; 0 where it is not known.
    """

    value: float
    low: float
    high: float
    error: float = field(default=math.nan, compare=False, repr=False)
    blocks: int = field(default=0, compare=False, repr=False)

    def __str__(self) -> str:
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"

    @classmethod
    def of_replicates(
        cls, value: float, replicates: npt.NDArray[np.float64], confidence: float, *, blocks: int = 0
    ) -> Figure:
        """Percentile interval of bootstrap replicates, expanded for few blocks.

        Resampled blocks vary less than new ones would, and the tails of a Student variable are longer than a normal
        one's: both shorten intervals of few blocks. The percentiles are moved outwards by as much as would make the
        interval of a mean right.

        Args:
            value: the figure on the sample itself.
            replicates: float64[R]; NaN where a replicate has no answer, left out up to `MAX_UNDEFINED_SHARE`.
            confidence: share of replicates inside the interval, such as 0.95.
            blocks: how many blocks were drawn from; 0 takes the plain percentiles.

        Reference: Efron and Tibshirani, An Introduction to the Bootstrap, chapter 13; Hesterberg, The American
        Statistician 69 (2015), section 4.1 (the expanded percentile interval).
        """
        defined = replicates[~np.isnan(replicates)]
        if defined.size == 0 or defined.size < (1 - MAX_UNDEFINED_SHARE) * replicates.size or blocks == 1:
            return cls(value, float("nan"), float("nan"))
        tail = expanded_tail(confidence, blocks)
        low, high = np.quantile(defined, [tail, 1 - tail])
        wider = math.sqrt(blocks / (blocks - 1)) if blocks else 1.0
        spread = float(defined.std(ddof=1)) * wider if defined.size > 1 else math.nan
        return cls(value, float(low), float(high), spread, blocks)

    def p_at_most(self, bound: float) -> float:
        """p-value of "the truth is at most `bound`": small where it is above. NaN where the error is not known."""
        return self._tail(self.value - bound)

    def p_at_least(self, bound: float) -> float:
        """p-value of "the truth is at least `bound`": small where it is below. NaN where the error is not known."""
        return self._tail(bound - self.value)

    def _tail(self, beyond: float) -> float:
        """Chance of a Student variable above `beyond` standard errors, with a degree of freedom a block but one."""
        if math.isnan(self.error) or math.isnan(beyond):
            return math.nan
        if self.error == 0.0:
            return 0.0 if beyond > 0 else 1.0
        from scipy.special import ndtr, stdtr

        steps = -beyond / self.error
        return float(stdtr(self.blocks - 1, steps) if self.blocks > 1 else ndtr(steps))

    def to_json(self) -> dict[str, Any]:
        """Encode as JSON data; NaN becomes null."""
        return {
            "value": finite_or_none(self.value),
            "low": finite_or_none(self.low),
            "high": finite_or_none(self.high),
        }


@lru_cache(maxsize=256)
def expanded_tail(confidence: float, blocks: int) -> float:
    """Share of replicates to leave out on each side; that of the plain percentiles where `blocks` is 0."""
    plain = (1 - confidence) / 2
    if blocks < 2:
        return plain
    from scipy.special import ndtr, stdtrit

    return float(ndtr(math.sqrt(blocks / (blocks - 1)) * stdtrit(blocks - 1, plain)))
