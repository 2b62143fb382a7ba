"""Draw a run: how slow the slowest answers were, and how rate and latency went over time. One file, no libraries."""

from __future__ import annotations

import math
from collections.abc import Callable
from html import escape
from pathlib import Path

import numpy as np

from headrace.core.errors import InvalidInputError
from headrace.load.axes import Panel, linear_axis, log_axis, milliseconds, tail_axis, time_axis
from headrace.load.histogram import Histogram, middle_of
from headrace.load.result import Latency, LoadResult, Point

_MOST_POINTS = 300
_STYLE = """
svg{font:12px ui-monospace,SFMono-Regular,Menlo,monospace;background:#fff}
text{fill:#1b1f24}.dim,.tick,.key{fill:#57606a}.title{font-weight:600;font-size:16px}.head{font-weight:600}
.mark{font-weight:600;font-size:11px}path{fill:none;stroke-width:1.8;stroke-linejoin:round}
.grid{stroke:#e4e8ec;stroke-width:1}.shade{fill:#6e778118}.warn{fill:#a40e26}
.main{stroke:#0072b2}.second{stroke:#b5770b}.third{stroke:#8c959f;stroke-width:1.2}.bad{stroke:#d1242f}
.plan{stroke:#57606a;stroke-dasharray:5 4;stroke-width:1.3}.fill{stroke:none}.fill.main{fill:#0072b226}
.fill.bad{fill:#d1242f66}.dot{fill:#0072b2}
@media(prefers-color-scheme:dark){svg{background:#0d1117}text{fill:#e6edf3}.dim,.tick,.key{fill:#9198a1}
.grid{stroke:#21262d}.shade{fill:#8c959f22}.warn{fill:#ff7b72}.main{stroke:#56b4e9}.second{stroke:#e69f00}
.third{stroke:#6e7781}.bad{stroke:#ff7b72}.plan{stroke:#9198a1}.fill.main{fill:#56b4e930}.fill.bad{fill:#ff7b7266}
.dot{fill:#56b4e9}}
"""


def write_plot(result: LoadResult, path: Path) -> None:
    """Write the drawing as .svg, or as a page with its figures (.html).

    Raises:
        InvalidInputError: another ending.
    """
    writers: dict[str, Callable[[LoadResult], str]] = {".svg": plot_svg, ".html": plot_page}
    check_ending(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(writers[path.suffix](result), encoding="utf-8")


def check_ending(path: Path) -> None:
    """Say before a run whether its plot can be written.

    Raises:
        InvalidInputError: the file is neither .svg nor .html.
    """
    if path.suffix not in {".svg", ".html"}:
        raise InvalidInputError(f"a plot is written as .svg or .html, not as '{path.name}'")


def plot_svg(result: LoadResult, *, warnings: bool = True) -> str:
    """A self-contained SVG document, for light and dark; warnings are lines at its foot."""
    panels = [_tail_panel(result, 100), *_time_panels(result, 460)]
    foot = [
        f'<text class="warn" x="20" y="{900 + 18 * at}">! {escape(_cut(text, 128))}<title>{escape(text)}</title></text>'
        for at, text in enumerate(result.warnings if warnings else ())
    ]
    height = 895 + 18 * len(foot)
    title, subtitle = _title(result)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 960 {height}" width="960" height="{height}" role="img" '
        f'aria-label="{escape(title, quote=True)}"><style>{_STYLE}</style>'
        f'<text class="title" x="20" y="30">{escape(title)}</text>'
        f'<text class="dim" x="20" y="52">{escape(subtitle)}</text>'
        f"{''.join(panel.svg() for panel in panels)}{''.join(foot)}</svg>\n"
    )


def plot_page(result: LoadResult) -> str:
    """The drawing in a page of its own, with the figures as a table."""
    rows = "".join(
        f"<tr><th>{escape(name)}</th>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"
        for name, cells in _table(result)
    )
    head = "".join(f"<th>{name}</th>" for name in ("", "answers", "per s", "p50", "p90", "p99", "p99.9", "max"))
    warnings = "".join(f"<li>{escape(text)}</li>" for text in result.warnings)
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>headrace load</title><style>'
        ":root{color-scheme:light dark}body{margin:24px auto;max-width:960px;font:13px ui-monospace,monospace;"
        "background:light-dark(#fff,#0d1117);color:light-dark(#1b1f24,#e6edf3)}table{border-collapse:collapse;"
        "margin:8px 20px}td,th{padding:4px 14px;text-align:right;border-bottom:1px solid light-dark(#e4e8ec,#21262d)}"
        "th:first-child{text-align:left}</style>"
        f"{plot_svg(result, warnings=False)}<ul>{warnings}</ul><table><tr>{head}</tr>{rows}</table></html>\n"
    )


def _title(result: LoadResult) -> tuple[str, str]:
    plan, latency = result.plan, result.ok.response
    rows = "" if plan.content.rows == 1 else f" of {plan.content.rows} rows"
    title = (
        f"{plan.content.model}: {result.rate:,.0f} answers/s{rows} · p50 {_time(latency.p50_ms)} · "
        f"p99 {_time(latency.p99_ms)} · max {_time(latency.max_ms)}"
    )
    loop = (
        f"open loop, {result.offered_rate:,.0f}/s offered{', Poisson' if plan.poisson else ''}"
        if plan.open_loop
        else f"closed loop, {plan.in_flight} in flight"
    )
    errors = f"{result.errors:,} errors" if result.errors else "no errors"
    return (
        title,
        f"{plan.endpoint.address} · {loop} · {plan.connections} connections · {latency.count:,} answers · {errors}",
    )


def _tail_panel(result: LoadResult, top: int) -> Panel:
    outcome = result.observed.outcomes.get(0)
    empty = Histogram.of_pairs([], 0)
    response, service = (outcome.response, outcome.service) if outcome else (empty, empty)
    most = max(response.max_ns / 1e6, 0.02)
    least = min(
        (float(middle_of(part.buckets[:1])[0]) / 1e6 for part in (response, service) if part.total), default=0.01
    )
    x, y = tail_axis(response.total), log_axis(max(least, 1e-3), most)
    panel = Panel(top, 290, "latency by share of answers", x, y)
    if result.plan.open_loop:
        panel.curve(_tail(service, x.high), "third", "from when it was sent")
        panel.curve(_tail(response, x.high), "main", "from when it was due")
    else:
        panel.curve(_tail(response, x.high), "main")
    for share, name in ((0.5, "p50"), (0.9, "p90"), (0.99, "p99"), (0.999, "p99.9"), (0.9999, "p99.99")):
        if share <= x.high and response.total:
            value = response.quantile_ns(share) / 1e6
            panel.mark(share, value, f"{name} {milliseconds(value)}")
    return panel


def _tail(histogram: Histogram, highest: float) -> list[tuple[float, float]]:
    """Points (share, milliseconds) evenly apart on the axis of nines."""
    if not histogram.total:
        return []
    shares = 1 - 10.0 ** -np.linspace(0, -math.log10(1 - highest), 240)
    return [(float(share), histogram.quantile_ns(float(share)) / 1e6) for share in shares]


def _time_panels(result: LoadResult, top: int) -> list[Panel]:
    points = _thinned(result.series)
    end = max(points[-1].seconds if points else 0.0, result.plan.interval_s)
    seconds = time_axis(end)
    errors = [sum(point.errors.values()) for point in points]
    offered = result.plan.rate_at(np.array([point.seconds for point in points])) if points else np.zeros(0)
    known = [value for value in (*offered, *(point.rate for point in points), *errors) if not math.isnan(value)]
    rates = Panel(top, 150, "answers a second", seconds, linear_axis(max([*known, 1.0])))
    rates.shade(result.plan.warmup_s, "warm-up")
    rates.area([(point.seconds, point.rate) for point in points], "main")
    rates.curve([(point.seconds, point.rate) for point in points], "main", "OK")
    if any(errors):
        rates.area([(point.seconds, error) for point, error in zip(points, errors, strict=True)], "bad")
        rates.curve([(point.seconds, error) for point, error in zip(points, errors, strict=True)], "bad", "errors")
    if result.plan.open_loop:
        rates.curve([(point.seconds, rate) for point, rate in zip(points, offered, strict=True)], "plan", "offered")
    times = [value for point in points for value in (point.p50_ms, point.max_ms) if not math.isnan(value)]
    y = log_axis(max(min(times, default=0.1), 1e-3), max([*times, 0.02]))
    latency = Panel(top + 225, 170, "latency over time", seconds, y)
    latency.shade(result.plan.warmup_s, "warm-up")
    for kind, name in (("third", "max"), ("second", "p99"), ("main", "p50")):
        latency.curve([(point.seconds, getattr(point, f"{name}_ms")) for point in points], kind, name)
    return [rates, latency]


def _thinned(series: tuple[Point, ...]) -> list[Point]:
    """At most `_MOST_POINTS`: of neighbours the mean rate and the worst latency."""
    step = -(-len(series) // _MOST_POINTS)
    return [_together(series[start : start + step]) for start in range(0, len(series), max(step, 1))]


def _together(points: tuple[Point, ...]) -> Point:
    names = {name for point in points for name in point.errors}
    worst = {
        name: max((getattr(point, name) for point in points if not math.isnan(getattr(point, name))), default=math.nan)
        for name in ("p50_ms", "p99_ms", "max_ms")
    }
    return Point(
        seconds=points[-1].seconds,
        rate=sum(point.rate for point in points) / len(points),
        errors={name: sum(point.errors.get(name, 0.0) for point in points) / len(points) for name in names},
        in_flight=points[-1].in_flight,
        **worst,
    )


def _table(result: LoadResult) -> list[tuple[str, list[str]]]:
    def cells(answers: int, rate: float, latency: Latency) -> list[str]:
        times = (latency.p50_ms, latency.p90_ms, latency.p99_ms, latency.p99_9_ms, latency.max_ms)
        return [f"{answers:,}", f"{rate:,.0f}", *map(_time, times)]

    return [(name, cells(status.answers, status.rate, status.response)) for name, status in result.statuses.items()]


def _time(value: float) -> str:
    return "-" if math.isnan(value) else milliseconds(value)


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"
