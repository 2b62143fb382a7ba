"""When requests are due, at a rate that is constant or goes up and down in stages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from headrace.core.errors import InvalidInputError


@dataclass(frozen=True)
class Stage:
    """A stretch in which the rate goes from one value to another in a straight line.

    Attributes:
        seconds: how long it lasts.
        from_rate: requests a second at its beginning.
        to_rate: requests a second at its end.
    """

    seconds: float
    from_rate: float
    to_rate: float

    def __post_init__(self) -> None:
        if self.seconds <= 0:
            raise InvalidInputError(f"a stage lasts {self.seconds:g} s; it must be above 0")
        if min(self.from_rate, self.to_rate) < 0 or max(self.from_rate, self.to_rate) <= 0:
            raise InvalidInputError(
                f"a stage goes from {self.from_rate:g} to {self.to_rate:g} requests/s; above 0, please"
            )

    @property
    def expected(self) -> float:
        """Requests that are due within it."""
        return (self.from_rate + self.to_rate) / 2 * self.seconds


def arrivals(stages: Sequence[Stage], *, poisson: bool = False, seed: int = 0) -> npt.NDArray[np.int64]:
    """Times at which requests are due: int64[n], nanoseconds from the start, ascending.

    Arrivals are drawn on a line of expected counts (one apart, or exponentially distributed) and mapped through the
    rate to time. The native generator draws the same fixed arrivals, and Poisson arrivals from a generator of its own.
    """
    ends = np.cumsum([stage.expected for stage in stages])
    counts = _counts(float(ends[-1]), poisson=poisson, seed=seed)
    which = np.searchsorted(ends, counts, side="right")
    seconds, first, last = (
        np.array([getattr(stage, name) for stage in stages])[which] for name in ("seconds", "from_rate", "to_rate")
    )
    starts = np.concatenate([[0.0], np.cumsum([stage.seconds for stage in stages])])[which]
    wanted = counts - np.concatenate([[0.0], ends])[which]
    below = first + np.sqrt(np.maximum(first**2 + 2 * (last - first) / seconds * wanted, 0.0))
    within = np.divide(2 * wanted, below, out=np.zeros_like(wanted), where=below > 0)
    due: npt.NDArray[np.int64] = ((starts + within) * 1e9).astype(np.int64)
    return due


def _counts(total: float, *, poisson: bool, seed: int) -> npt.NDArray[np.float64]:
    if not poisson:
        return np.arange(0.0, total)
    random = np.random.default_rng(seed)
    drawn = np.cumsum(random.exponential(size=int(total + 10 * np.sqrt(total) + 10)))
    return drawn[drawn < total]
