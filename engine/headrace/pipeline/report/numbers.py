"""Numbers as people read them: thousands apart, three decimals for a metric, an interval in brackets."""

from __future__ import annotations

import math
from typing import TypeGuard

from headrace.pipeline.report.model import Estimate

MISSING = "\u2013"
MINUS = "\u2212"
_SUPERSCRIPTS = str.maketrans("-0123456789", "\u207b\u2070\u00b9\u00b2\u00b3\u2074\u2075\u2076\u2077\u2078\u2079")


def count(value: float | None) -> str:
    """336776 -> '336,776'."""
    return MISSING if not finite(value) else _signed(f"{value:,.0f}")


def metric(value: float | None, decimals: int = 3) -> str:
    """0.77412 -> '0.774'."""
    return MISSING if not finite(value) else _signed(f"{value:.{decimals}f}")


def change(value: float | None, decimals: int = 3) -> str:
    """0.085 -> '+0.085'."""
    return MISSING if not finite(value) else _signed(f"{value:+.{decimals}f}")


def interval(estimate: Estimate | None, decimals: int = 3) -> str:
    """Estimate(0.774, 0.771, 0.777) -> '0.774 [0.771, 0.777]'; without ends the value alone."""
    if estimate is None:
        return MISSING
    return f"{metric(estimate.value, decimals)}{_ends(estimate, decimals)}"


def quantity(estimate: Estimate) -> str:
    """An estimate of any size: three decimals below 1, three significant digits above."""
    if not finite(estimate.value) or abs(estimate.value) < 1:
        return interval(estimate)
    if not has_interval(estimate):
        return compact(estimate.value)
    return f"{compact(estimate.value)} [{compact(estimate.low)}, {compact(estimate.high)}]"


def amount(value: float | None) -> str:
    """A metric of any size: three decimals below 1, three significant digits above."""
    return metric(value) if not finite(value) or abs(value) < 1 else compact(value)


def change_interval(estimate: Estimate | None) -> str:
    """Estimate(0.085, 0.081, 0.089) -> '+0.085 [0.081, 0.089]'."""
    if estimate is None:
        return MISSING
    plus = "+" if finite(estimate.value) and estimate.value >= 1 else ""
    return f"{plus}{quantity(estimate)}" if plus else f"{change(estimate.value)}{_ends(estimate, 3)}"


def percent(share: float | None, decimals: int = 1) -> str:
    """0.028 -> '2.8 %' (no-break space); whole numbers of percent lose the decimals, tiny shares say so."""
    if not finite(share):
        return MISSING
    value = share * 100
    smallest = 10.0**-decimals
    if 0 < value < smallest / 2:
        return f"< {smallest:g}\u00a0%"
    text = f"{value:.{decimals}f}"
    if "." in text and not text.rpartition(".")[2].strip("0"):
        text = text.partition(".")[0]
    return f"{_signed(text)}\u00a0%"


def percent_interval(estimate: Estimate, decimals: int = 1) -> str:
    """Estimate(0.102, 0.096, 0.108) -> '10.2 % [9.6, 10.8]'."""
    if not has_interval(estimate):
        return percent(estimate.value, decimals)
    scaled = Estimate(estimate.value * 100, _scaled(estimate.low), _scaled(estimate.high))
    return f"{percent(estimate.value, decimals)}{_ends(scaled, decimals)}"


def seconds(value: float | None) -> str:
    """0.043 -> '43 ms', 9.84 -> '9.8 s', 83 -> '1 min 23 s'."""
    if not finite(value):
        return MISSING
    if value < 0.1:
        return f"{value * 1000:.0f}\u00a0ms"
    if value < 59.95:
        return f"{value:.1f}\u00a0s"
    whole = round(value)
    return f"{whole // 60}\u00a0min {whole % 60}\u00a0s"


def milliseconds(value: float | None) -> str:
    """0.412 -> '0.41 ms'; three significant digits at most."""
    return MISSING if not finite(value) else f"{_digits(value)}\u00a0ms"


def compact(value: float | None) -> str:
    """Any quantity in three significant digits: 1234567 -> "1.23 M", 0.0412 -> "0.0412", 2e-7 -> "2.0 x 10^-7"."""
    if not finite(value):
        return MISSING
    if 0 < abs(value) < 1e-4:
        return difference(value)
    for size, suffix in ((1e9, "\u00a0G"), (1e6, "\u00a0M"), (1e4, "\u00a0k")):
        if abs(value) >= size:
            return _signed(f"{_digits(value / (1e3 if suffix.endswith('k') else size))}{suffix}")
    return _signed(_digits(value))


def difference(value: float | None) -> str:
    """A numerical difference: 0 -> 'exactly 0', 5.96e-8 -> '6.0 x 10^-8' in superscripts."""
    if not finite(value):
        return MISSING
    if value == 0:
        return "exactly 0"
    mantissa, exponent = f"{value:.1e}".split("e")
    return f"{_signed(mantissa)}\u00a0\u00d7\u00a010{str(int(exponent)).translate(_SUPERSCRIPTS)}"


def size(size_bytes: float) -> str:
    """1300000 -> '1.3 MB' (decimal units)."""
    for limit, unit in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if size_bytes >= limit:
            return f"{size_bytes / limit:.1f}\u00a0{unit}"
    return f"{size_bytes:.0f}\u00a0B"


def plural(number: int, one: str, many: str | None = None) -> str:
    """2, 'gate' -> '2 gates'."""
    return f"{count(number)} {one if number == 1 else many or one + 's'}"


def finite(value: float | None) -> TypeGuard[float]:
    """Whether there is a number to show: not None, NaN or Inf."""
    return value is not None and math.isfinite(value)


def has_interval(estimate: Estimate) -> bool:
    """Whether both ends are there."""
    return finite(estimate.low) and finite(estimate.high)


def _ends(estimate: Estimate, decimals: int) -> str:
    if not has_interval(estimate):
        return ""
    return f" [{metric(estimate.low, decimals)}, {metric(estimate.high, decimals)}]"


def _scaled(value: float | None) -> float | None:
    return None if value is None else value * 100


def _digits(value: float) -> str:
    if value == 0:
        return "0"
    places = max(0, 2 - math.floor(math.log10(abs(value))))
    text = f"{value:.{places}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _signed(text: str) -> str:
    return text.replace("-", MINUS)
