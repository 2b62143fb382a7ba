"""What turns a raw score into a calibrated probability: data that a package can hold and a graph can compute.

The arithmetic here is that of the exported graph, operation by operation, so both give the same float64 bits. Fitting
is training's; this module knows NumPy alone.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from headrace.core.errors import CorruptedError, InvalidInputError

Numbers = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Platt:
    """A logistic curve over raw scores: p = 1 / (1 + exp(-slope * (raw + offset))).

    Attributes:
        slope: above 0, so that the order of rows stays.
        offset: added to the raw score first.

    Reference: Platt, Advances in Large Margin Classifiers (1999).
    """

    slope: float
    offset: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.slope) and math.isfinite(self.offset) and self.slope > 0):
            raise InvalidInputError(f"a Platt curve needs a finite slope above 0 and a finite offset, not {self}")

    @property
    def base(self) -> float:
        """exp(-slope): the graph takes the exponential as a power of it."""
        return math.exp(-self.slope)

    def apply(self, raw: Numbers) -> Numbers:
        """Probabilities of raw scores, float64[n] to float64[n]; NaN stays NaN.

        The power is the C library's, one element at a time: NumPy's own gives other last bits on some processors.
        """
        base = self.base
        powers = np.fromiter((_power(base, value) for value in (raw + self.offset).tolist()), np.float64, raw.size)
        return 1.0 / (powers + 1.0)

    def to_json(self) -> dict[str, Any]:
        """Encode as JSON data."""
        return {"method": "platt", "slope": self.slope, "offset": self.offset}


@dataclass(frozen=True)
class Isotonic:
    """A rising curve over raw scores: straight lines between points, level outside them.

    Attributes:
        knots: raw scores, strictly rising, two or more.
        values: a probability each, never falling.

    Reference: Zadrozny and Elkan, KDD 2002.
    """

    knots: tuple[float, ...]
    values: tuple[float, ...]

    def __post_init__(self) -> None:
        knots, values = np.array(self.knots), np.array(self.values)
        if knots.size < 2 or knots.shape != values.shape or not np.isfinite(knots).all():
            raise InvalidInputError(f"an isotonic curve needs two or more finite knots with a value each, not {self}")
        if not (np.diff(knots) > 0).all() or (np.diff(values) < 0).any() or not ((values >= 0) & (values <= 1)).all():
            raise InvalidInputError("the knots of an isotonic curve rise, and its values rise from 0 to 1 at most")

    @property
    def slopes(self) -> Numbers:
        """Rise of each stretch, float64[knots - 1]."""
        return np.diff(np.array(self.values)) / np.diff(np.array(self.knots))

    def apply(self, raw: Numbers) -> Numbers:
        """Probabilities of raw scores, float64[n] to float64[n]; a NaN counts as the lowest knot, as in the graph."""
        knots, values = np.array(self.knots), np.array(self.values)
        inside = np.fmin(np.fmax(raw, knots[0]), knots[-1])
        place = np.searchsorted(knots[1:-1], inside, "right")
        return np.asarray(np.minimum(values[place] + self.slopes[place] * (inside - knots[place]), values[place + 1]))

    def to_json(self) -> dict[str, Any]:
        """Encode as JSON data."""
        return {"method": "isotonic", "knots": list(self.knots), "values": list(self.values)}


Calibrator = Platt | Isotonic


def calibrator_from_json(body: Mapping[str, Any] | None) -> Calibrator | None:
    """Decode what `to_json` gave; None stays None.

    Raises:
        CorruptedError: no calibrator.
    """
    if body is None:
        return None
    try:
        if body["method"] == "platt":
            return Platt(float(body["slope"]), float(body["offset"]))
        if body["method"] == "isotonic":
            return Isotonic(tuple(map(float, body["knots"])), tuple(map(float, body["values"])))
    except (KeyError, TypeError, ValueError, InvalidInputError) as error:
        raise CorruptedError(f"a calibrator cannot be read: {error}") from error
    raise CorruptedError(f"calibration method '{body['method']}' is not known")


def _power(base: float, exponent: float) -> float:
    """`pow` of the C library; too large becomes infinite, where Python would raise."""
    try:
        return math.pow(base, exponent)
    except OverflowError:
        return math.inf
