"""Units of measurement and how one becomes another: exact ratios, so that 32 F is 0 C and not nearly."""

from __future__ import annotations

import math
from fractions import Fraction

from headrace.core.errors import DefinitionError, did_you_mean

_NONE = Fraction(0)

UNITS: dict[str, tuple[str, Fraction, Fraction]] = {
    "K": ("temperature", Fraction(1), _NONE),
    "C": ("temperature", Fraction(1), Fraction("273.15")),
    "F": ("temperature", Fraction(5, 9), Fraction("459.67") * Fraction(5, 9)),
    "m": ("length", Fraction(1), _NONE),
    "cm": ("length", Fraction("0.01"), _NONE),
    "mm": ("length", Fraction("0.001"), _NONE),
    "km": ("length", Fraction(1000), _NONE),
    "in": ("length", Fraction("0.0254"), _NONE),
    "ft": ("length", Fraction("0.3048"), _NONE),
    "yd": ("length", Fraction("0.9144"), _NONE),
    "mi": ("length", Fraction("1609.344"), _NONE),
    "nmi": ("length", Fraction(1852), _NONE),
    "m/s": ("speed", Fraction(1), _NONE),
    "km/h": ("speed", Fraction(5, 18), _NONE),
    "mph": ("speed", Fraction("0.44704"), _NONE),
    "kt": ("speed", Fraction(1852, 3600), _NONE),
    "kg": ("mass", Fraction(1), _NONE),
    "g": ("mass", Fraction("0.001"), _NONE),
    "t": ("mass", Fraction(1000), _NONE),
    "lb": ("mass", Fraction("0.45359237"), _NONE),
    "oz": ("mass", Fraction("0.45359237") / 16, _NONE),
    "Pa": ("pressure", Fraction(1), _NONE),
    "hPa": ("pressure", Fraction(100), _NONE),
    "mbar": ("pressure", Fraction(100), _NONE),
    "kPa": ("pressure", Fraction(1000), _NONE),
    "bar": ("pressure", Fraction(100_000), _NONE),
    "inHg": ("pressure", Fraction("3386.389"), _NONE),
    "l": ("volume", Fraction("0.001"), _NONE),
    "ml": ("volume", Fraction("0.000001"), _NONE),
    "m3": ("volume", Fraction(1), _NONE),
    "gal": ("volume", Fraction("0.003785411784"), _NONE),
    "ms": ("duration", Fraction("0.001"), _NONE),
    "s": ("duration", Fraction(1), _NONE),
    "min": ("duration", Fraction(60), _NONE),
    "h": ("duration", Fraction(3600), _NONE),
    "d": ("duration", Fraction(86_400), _NONE),
    "J": ("energy", Fraction(1), _NONE),
    "kJ": ("energy", Fraction(1000), _NONE),
    "kWh": ("energy", Fraction(3_600_000), _NONE),
    "1": ("ratio", Fraction(1), _NONE),
    "%": ("ratio", Fraction("0.01"), _NONE),
}
"""By symbol: dimension, size in the dimension's SI unit, and what is added to get there. `gal` is the US gallon."""


def conversion(source: str, target: str) -> tuple[int, int, int]:
    """Numbers (p, q, r) such that `(value * p + q) / r` turns a value in one unit into the other.

    Raises:
        DefinitionError: an unknown unit, or units of different dimensions.
    """
    dimension, size, shift = _unit(source)
    other, size_to, shift_to = _unit(target)
    if dimension != other:
        raise DefinitionError(f"'{source}' is a {dimension} and '{target}' a {other}: one does not become the other")
    factor, added = size / size_to, (shift - shift_to) / size_to
    common = math.lcm(factor.denominator, added.denominator)
    return int(factor * common), int(added * common), common


def _unit(symbol: str) -> tuple[str, Fraction, Fraction]:
    if symbol not in UNITS:
        hint = did_you_mean(symbol, UNITS)
        raise DefinitionError(f"'{symbol}' is no unit that is known; known are: {', '.join(UNITS)}", hint=hint)
    return UNITS[symbol]
