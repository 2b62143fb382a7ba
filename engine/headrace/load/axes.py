"""Panels of a drawing: a frame with axes, and curves in it, as SVG text."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from html import escape

LEFT, WIDTH = 74, 840
_GAP_PX = 26  # that two labels of one axis need
Points = Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Axis:
    """Values from `low` to `high` along an axis; `ticks` are (value, label)."""

    low: float
    high: float
    ticks: tuple[tuple[float, str], ...]
    map: Callable[[float], float] = float

    def place(self, value: float) -> float:
        """Where a value lies: 0 at the low end, 1 at the high end."""
        low, high = self.map(self.low), self.map(self.high)
        return (self.map(min(max(value, self.low), self.high)) - low) / (high - low)


def linear_axis(high: float, *, low: float = 0.0, unit: str = "") -> Axis:
    """An axis with four to eight round ticks."""
    span = max(high - low, 1e-9)
    step = 10.0 ** math.floor(math.log10(span / 4))
    step *= next(factor for factor in (1, 2, 2.5, 5, 10) if span / (step * factor) <= 6)
    top = low + math.ceil(span / step - 1e-9) * step
    count = round((top - low) / step)
    return Axis(low, top, tuple((low + n * step, f"{_short(low + n * step)}{unit}") for n in range(count + 1)))


def time_axis(end: float) -> Axis:
    """Seconds from 0 to `end`, which need not be round."""
    ticks = linear_axis(end, unit=" s").ticks
    return Axis(0.0, end, tuple(tick for tick in ticks if tick[0] <= end))


def log_axis(low: float, high: float) -> Axis:
    """A logarithmic axis of milliseconds, from a round value to a round value."""
    bottom, top = _round_down(low), _round_up(high)
    if bottom >= top:
        top = _round_up(bottom * 1.01)
    decades = range(math.floor(math.log10(bottom)) - 1, math.ceil(math.log10(top)) + 1)
    values = [factor * 10.0**decade for decade in decades for factor in (1, 2, 5)]
    inside = [value for value in values if bottom * 0.999 <= value <= top * 1.001]
    if len(inside) > 9:
        inside = [value for value in inside if f"{value:e}".startswith("1")]
    return Axis(bottom, top, tuple((value, milliseconds(value)) for value in inside), math.log10)


def tail_axis(count: int) -> Axis:
    """Shares of answers, each nine as wide as the one before it, up to what `count` answers can tell."""
    nines = max(1, min(6, math.floor(math.log10(max(count, 10)) + 1e-9)))
    shares = [
        (0.0, "0 %"),
        (0.5, "50 %"),
        *((1 - 10.0**-n, f"{100 - 10.0 ** (2 - n):.10g} %") for n in range(1, nines + 1)),
    ]
    return Axis(0.0, 1 - 10.0**-nines, tuple(shares), lambda share: -math.log10(1 - share))


def milliseconds(value: float) -> str:
    """A duration as people write it."""
    if value < 1:
        return f"{value * 1000:.3g} µs"
    return f"{value:.3g} ms" if value < 1000 else f"{value / 1000:.3g} s"


@dataclass
class Panel:
    """A frame at a height of the drawing, with two axes; curves are added to it."""

    top: int
    height: int
    title: str
    x: Axis
    y: Axis
    shapes: list[str] = field(default_factory=list)
    legend: list[tuple[str, str]] = field(default_factory=list)

    def point(self, x: float, y: float) -> tuple[float, float]:
        """Where a value is drawn."""
        return LEFT + self.x.place(x) * WIDTH, self.top + self.height * (1 - self.y.place(y))

    def curve(self, points: Points, kind: str, label: str = "") -> None:
        """Draw a line; it is broken where a value is no number."""
        path, up = "", True
        for x, y in points:
            if math.isnan(y):
                up = True
                continue
            left, top = self.point(x, y)
            path += f"{'M' if up else 'L'}{left:.1f} {top:.1f}"
            up = False
        self._add(f'<path class="{kind}" d="{path}"/>' if path else "", kind, label)

    def area(self, points: Points, kind: str, label: str = "") -> None:
        """Fill from the bottom up to the points."""
        if not points:
            return
        bottom = self.top + self.height
        line = "".join(f"L{left:.1f} {top:.1f}" for left, top in (self.point(x, y) for x, y in points))
        first, last = (self.point(points[at][0], 0)[0] for at in (0, -1))
        self._add(f'<path class="fill {kind}" d="M{first:.1f} {bottom}{line}L{last:.1f} {bottom}Z"/>', kind, label)

    def mark(self, x: float, y: float, text: str) -> None:
        """A dot with a label beside it."""
        left, top = self.point(x, y)
        near_edge = left - LEFT < 8 * len(text)  # no room on its left: below, to its right
        at, down, anchor = (left + 8, top + 14, "start") if near_edge else (left - 7, top - 8, "end")
        self.shapes.append(
            f'<circle class="dot" cx="{left:.1f}" cy="{top:.1f}" r="3.5"/>'
            f'<text class="mark" x="{at:.1f}" y="{down:.1f}" text-anchor="{anchor}">{escape(text)}</text>'
        )

    def shade(self, until: float, label: str) -> None:
        """Grey out what comes before a time."""
        right = self.point(until, 0)[0]
        if right <= LEFT:
            return
        self.shapes.append(
            f'<rect class="shade" x="{LEFT}" y="{self.top}" width="{right - LEFT:.1f}" height="{self.height}"/>'
            f'<text class="dim" x="{LEFT + 5}" y="{self.top + 15}">{escape(label)}</text>'
        )

    def svg(self) -> str:
        """The panel."""
        bottom, right = self.top + self.height, LEFT + WIDTH
        parts = [f'<text class="head" x="{LEFT}" y="{self.top - 12}">{escape(self.title)}</text>']
        for value, label in self.y.ticks:
            at = self.point(self.x.low, value)[1]
            parts.append(f'<path class="grid" d="M{LEFT} {at:.1f}H{right}"/>')
            parts.append(f'<text class="tick" x="{LEFT - 8}" y="{at + 4:.1f}" text-anchor="end">{label}</text>')
        last = -math.inf
        for value, label in self.x.ticks:
            at = self.point(value, self.y.low)[0]
            parts.append(f'<path class="grid" d="M{at:.1f} {self.top}V{bottom}"/>')
            if at - last >= _GAP_PX + 4 * len(label):
                parts.append(f'<text class="tick" x="{at:.1f}" y="{bottom + 17}" text-anchor="middle">{label}</text>')
                last = at
        return "".join([*parts, *self.shapes, *self._keys(right)])

    def _keys(self, right: int) -> list[str]:
        parts, at = [], float(right)
        for kind, label in reversed(self.legend):
            at -= 6.9 * len(label)
            parts.append(f'<text class="key" x="{at:.1f}" y="{self.top - 12}">{escape(label)}</text>')
            parts.append(f'<path class="{kind}" d="M{at - 24:.1f} {self.top - 16}h18"/>')
            at -= 40
        return parts

    def _add(self, shape: str, kind: str, label: str) -> None:
        self.shapes.append(shape)
        if label:
            self.legend.append((kind, label))


def _short(value: float) -> str:
    if abs(value) >= 1000:
        return f"{value / 1000:.4g}k"
    return f"{value:.4g}"


def _round_down(value: float) -> float:
    decade = 10.0 ** math.floor(math.log10(value))
    return max(factor * decade for factor in (1, 2, 5) if factor * decade <= value * 1.000001)


def _round_up(value: float) -> float:
    decade = 10.0 ** math.floor(math.log10(value))
    return min(factor * decade for factor in (1, 2, 5, 10) if factor * decade >= value * 0.999999)
