"""Whether the served answers are the trained model's, and how long they take."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from headrace.pipeline.report import numbers
from headrace.pipeline.report.markup import Markup
from headrace.pipeline.report.model import TOLERANCE, ExportCheck, Histogram, ServedCheck, Service
from headrace.pipeline.report.palette import sentinel
from headrace.pipeline.report.pictures.canvas import Caption, Screen, clipped, picture, rows_axis
from headrace.pipeline.report.pictures.marks import Look, dot, guide, note

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SMALLEST = 1e-10  # where "exactly 0" is drawn on a logarithmic axis, left of every float32 difference of a probability
_LARGEST = 1e-2


def exactness(export: ExportCheck | None, served: ServedCheck | None) -> Markup:
    """Draw the largest differences on a logarithmic line against the tolerance."""
    lines: list[tuple[str, float]] = []
    if export is not None:
        lines.append(("exported graph\nvs. trainer", export.max_abs_diff))
    if served is not None:
        lines.append(("server\nvs. offline", served.max_abs_diff))
    tolerance = served.tolerance if served is not None else TOLERANCE

    def paint(figure: Figure, screen: Screen) -> None:
        axes = figure.add_subplot()
        rows_axis(axes, [name for name, _ in lines])
        axes.set_xscale("log")
        axes.set_xlim(_SMALLEST / 8, _LARGEST)
        axes.axvspan(_SMALLEST / 8, tolerance, color=sentinel("good"), alpha=0.14)
        axes.axvline(tolerance, color=sentinel("good"), linewidth=2)
        for row, (_, value) in enumerate(lines):
            fine = value <= tolerance
            place = min(max(value, _SMALLEST), _LARGEST / 2)
            dot(axes, (place, row), "model" if fine else "bad", size=9, fine=fine)
            note(
                axes,
                numbers.difference(value),
                (place, row),
                Look(ha="left" if value == 0 else "center", va="bottom"),
                shift=(0, 8),
            )
        marks = [_SMALLEST, 1e-8, 1e-6, 1e-4, 1e-2]
        axes.set_xticks(marks, ["0", *(numbers.difference(mark).rpartition("\u00a0")[2] for mark in marks[1:])])
        axes.set_xlabel("largest absolute difference" + ("" if screen.narrow else ", shaded: allowed"))

    caption = Caption(
        _exactness_title(export, served),
        _exactness_text(export, served, tolerance),
        "; ".join(f"{' '.join(name.split())}: {numbers.difference(value)}" for name, value in lines),
    )
    return picture("p-exactness", caption, paint, height=100 + 55 * len(lines))


def latency(service: Service) -> Markup:
    """Draw the latency histogram with p50 and p99."""
    histogram = service.latency_ms

    def paint(figure: Figure, screen: Screen) -> None:
        axes = figure.add_subplot()
        axes.stairs(histogram.counts, histogram.edges, fill=True, color=sentinel("model"), alpha=0.85)
        if _is_geometric(histogram):
            axes.set_xscale("log")
            axes.minorticks_off()
            axes.set_xticks(_decades(histogram.edges[0], histogram.edges[-1], most=6 if screen.narrow else 10))
        axes.xaxis.set_major_formatter(lambda value, _position: numbers.compact(value))
        axes.yaxis.set_major_formatter(lambda value, _position: numbers.compact(value))
        top = max([*histogram.counts, 1])
        axes.set_ylim(0, top * 1.22)
        for name, value in (("p50", service.p50_ms), ("p99", service.p99_ms)):
            guide(axes, value)
            words = f"{name}\n{numbers.milliseconds(value)}"
            note(axes, words, (value, top * 1.22), Look(va="top"), shift=(4, -2))
        axes.margins(x=0)
        axes.set_xlabel("milliseconds from request to answer")
        axes.set_ylabel("requests")

    p50, p99 = numbers.milliseconds(service.p50_ms), numbers.milliseconds(service.p99_ms)
    title = f"Half of the answers come within {p50}, 99 of 100 within {p99}"
    requests, rows = numbers.plural(service.requests, "request"), numbers.plural(service.rows, "row")
    text = f"{requests} with {rows}, as the client saw them; {service.device}"
    text += f" ({service.fallback})." if service.fallback else "."
    if service.rows_per_s is not None:
        text += f" {numbers.count(service.rows_per_s)} rows/s."
    if service.ready_s is not None:
        text += f" Ready {numbers.seconds(service.ready_s)} after its start."
    low, high = numbers.milliseconds(histogram.edges[0]), numbers.milliseconds(histogram.edges[-1])
    alt = f"Histogram of latencies from {low} to {high}"
    return picture("p-latency", Caption(title, text, alt), paint, height=290)


def _exactness_title(export: ExportCheck | None, served: ServedCheck | None) -> str:
    parts = []
    if export is not None:
        mismatches = numbers.plural(export.leaf_mismatches, "leaf mismatch", "leaf mismatches")
        parts.append(f"{mismatches} in {numbers.count(export.rows)} rows")
    if served is not None:
        parts.append(_served_finding(served))
    return "; ".join(parts)


def _served_finding(served: ServedCheck) -> str:
    if served.max_abs_diff == 0:
        return "served scores equal offline scores exactly"
    if served.max_abs_diff <= served.tolerance:
        return f"served scores equal offline scores to within {numbers.difference(served.max_abs_diff)}"
    return f"served scores differ from offline scores by up to {numbers.difference(served.max_abs_diff)}"


def _exactness_text(export: ExportCheck | None, served: ServedCheck | None, tolerance: float) -> str:
    text = ""
    if export is not None:
        trees, rows = numbers.plural(export.trees, "tree"), numbers.count(export.rows)
        text += f"Export: {trees}, the leaf of every tree compared for {rows} rows. "
    if served is not None:
        figures = f"{served.figure_served:.6f} served, {served.figure_offline:.6f} offline"
        both = f"{clipped(served.measure.title, 24)} {figures}"
        text += f"Server: all {numbers.count(served.rows)} answers compared; {both}. "
    return f"{text}Allowed is {numbers.difference(tolerance)} of a probability: sums in float32."


def _is_geometric(histogram: Histogram) -> bool:
    edges = histogram.edges
    return edges[0] > 0 and edges[-1] - edges[-2] > 4 * (edges[1] - edges[0])


def _decades(low: float, high: float, *, most: int) -> list[float]:
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for steps in ((1, 2, 5), (1, 3), (1,)):
        ticks = [step * 10.0**power for power in powers for step in steps]
        shown = [tick for tick in ticks if low <= tick <= high]
        if len(shown) <= most:
            break
    return shown
