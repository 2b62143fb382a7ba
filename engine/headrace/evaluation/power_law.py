"""Where a learning curve leads: a power law through its points, and what more rows would bring by it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from headrace.evaluation.figures import Figure

EXPONENTS = np.linspace(0.1, 1.5, 29)

Numbers = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Extrapolation:
    """What more rows of the same kind would bring.

    Attributes:
        rows: how many more.
        gain: how much better the metric would be, positive is better, with its interval.
    """

    rows: int
    gain: Figure

    def __str__(self) -> str:
        gained = f"{self.gain.value:+.4f} [{self.gain.low:+.4f}, {self.gain.high:+.4f}]"
        if not self.gain.low > 0:
            return f"flat: another {self.rows:,} rows are not shown to bring anything ({gained})"
        return f"another {self.rows:,} rows would bring about {gained}"

    def to_json(self) -> dict[str, Any]:
        """Encode as JSON data."""
        return {"rows": self.rows, "gain": self.gain.to_json(), "hint": str(self)}


def extrapolate(
    rows: Numbers, values: Numbers, replicates: Numbers, *, more: int | None = None, confidence: float = 0.95
) -> Extrapolation:
    """Fit `value = limit - scale * rows^-exponent` and read what more rows would bring.

    The interval is that of the test rows' draws, the fit made anew in each. It says nothing of the draw of training
    rows, nor of rows that differ from those at hand.

    Args:
        rows: float64[P], training rows of each point, rising; P at least 3.
        values: float64[P], more is better.
        replicates: float64[P, R], the same in each draw.
        more: how many more rows; None: half as many again.
        confidence: of the interval.

    Reference: Viering and Loog, The Shape of Learning Curves, IEEE TPAMI 45 (2023).
    """
    added = int(more if more is not None else rows[-1] / 2)
    both = np.column_stack([values, replicates])
    gains = _gains(rows / rows[-1], both, 1 + added / rows[-1])
    return Extrapolation(added, Figure.of_replicates(float(gains[0]), gains[1:], confidence))


def _gains(rows: Numbers, values: Numbers, then: float) -> Numbers:
    """Gain from 1 to `then` for each column of values: least squares over limit and scale, best exponent of a grid."""
    best, gains = np.full(values.shape[1], np.inf), np.zeros(values.shape[1])
    for exponent in EXPONENTS:
        fall = -(rows**-exponent)
        centred = fall - fall.mean()
        scale = np.maximum(centred @ (values - values.mean(axis=0)) / (centred @ centred), 0.0)
        errors = values - values.mean(axis=0) - np.outer(centred, scale)
        squares = np.square(errors).sum(axis=0)
        better = squares < best
        gains = np.where(better, scale * (1 - then**-exponent), gains)
        best = np.where(better, squares, best)
    return gains
