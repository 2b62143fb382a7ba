"""One axis of parallel coordinates: where a value lies between the bottom and the top."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from headrace.pipeline.report import numbers
from headrace.pipeline.report.compared.names import is_number, shown

ABSENT = -0.07  # where a run lies that does not have the value
_WIDE = 100.0


@dataclass(frozen=True)
class Scale:
    """A named axis.

    Attributes:
        name: of the parameter or the metric.
        places: the values' texts from the bottom, for values that are no numbers; else empty.
        low: least number.
        high: greatest number.
        by_magnitude: positive numbers whose ends are a hundredfold apart lie by their logarithm.
        has_absent: whether a run lacks the value.
        is_whole: whether all numbers are.
    """

    name: str
    places: tuple[str, ...] = ()
    low: float = 0.0
    high: float = 0.0
    by_magnitude: bool = False
    has_absent: bool = False
    is_whole: bool = False

    @classmethod
    def of(cls, name: str, values: Sequence[Any]) -> Scale:
        """The axis that holds these values; None is no value."""
        known = [value for value in values if value is not None]
        absent = len(known) < len(values)
        if not known or not all(map(is_number, known)):
            return cls(name, tuple(sorted({shown(value) for value in known})), has_absent=absent)
        low, high = float(min(known)), float(max(known))
        wide, whole = low > 0 and high / low >= _WIDE, all(isinstance(value, int) for value in known)
        return cls(name, (), low, high, by_magnitude=wide, has_absent=absent, is_whole=whole)

    def height(self, value: Any) -> float:
        """Between 0 and 1; `ABSENT` for None."""
        if value is None:
            return ABSENT
        if self.places:
            return 0.5 if len(self.places) == 1 else self.places.index(shown(value)) / (len(self.places) - 1)
        if self.high == self.low:
            return 0.5
        if self.by_magnitude:
            return math.log(value / self.low) / math.log(self.high / self.low)
        return (float(value) - self.low) / (self.high - self.low)

    def marks(self, most: int) -> list[tuple[float, str]]:
        """Heights and their words: the ends and the middle of numbers, the values themselves otherwise."""
        absent = [(ABSENT, "none")] if self.has_absent else []
        if self.places:
            step = -(-len(self.places) // most)
            return absent + [(self.height_of(place), self.places[place]) for place in range(0, len(self.places), step)]
        if self.high == self.low:
            return [*absent, (0.5, shown(self.high))]
        middle = math.sqrt(self.low * self.high) if self.by_magnitude else (self.low + self.high) / 2
        if self.is_whole and not middle.is_integer():
            return [*absent, (0.0, _short(self.low)), (1.0, _short(self.high))]
        return absent + [
            (height, _short(value)) for height, value in ((0.0, self.low), (0.5, middle), (1.0, self.high))
        ]

    def height_of(self, place: int) -> float:
        """Height of the n-th of the texts."""
        return 0.5 if len(self.places) == 1 else place / (len(self.places) - 1)

    def span(self) -> str:
        """The values in words: `0.02 to 0.1`, `gbdt or dart`."""
        if self.places:
            return " or ".join(self.places[:3]) + (" or others" if len(self.places) > 3 else "")
        if self.low == self.high:
            return _short(self.low)
        return f"{_short(self.low)} to {_short(self.high)}"


def _short(value: float) -> str:
    return "0" if value == 0 else numbers.compact(value)
