"""What `headrace runs` says: tables for people on stdout, or the same as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import typer

from headrace.cli.console import print_json, print_table

if TYPE_CHECKING:
    from headrace.training.runs import Comparison, MetricValue, RunRecord

_BARS = "\u2581\u2582\u2583\u2584\u2585\u2586\u2587\u2588"
_SPARK_CHARS = 48
_SIDE_BY_SIDE = 6  # more runs than this are lines, not columns
_LINES = 30
_WIDE = 60


def listing(runs: Sequence[RunRecord], *, as_json: bool) -> None:
    """Runs, newest first."""
    if as_json:
        print_json([run.to_json() for run in runs])
        return
    if not runs:
        typer.echo("no runs")
        return
    print_table(
        ["run", "kind", "model", "status", "started", "took", "judged by", "value", "versions", "trials"],
        [_line(run) for run in runs],
    )


def run(found: RunRecord, *, as_json: bool) -> None:
    """Everything of a run."""
    if as_json:
        print_json(found.to_json())
        return
    start = found.start
    typer.echo(f"run {found.id} \u00b7 {start.kind.value} of {start.model or start.project or 'nothing named'}")
    facts = _facts(found)
    width = max(len(name) for name, _ in facts) + 2
    for name, value in facts:
        typer.echo(f"  {name:<{width}}{value}")
    if found.parameters:
        rows = [[name, _shown(value)] for name, value in sorted(found.parameters.items())]
        print_table(["parameter", "value"], rows)
    if found.metrics:
        print_table(["metric", "value"], [[name, _figure(metric)] for name, metric in found.metrics.items()])
    for name, points in found.curves.items():
        typer.echo(
            f"{name}: {sparkline([y for _, y in points])}  {points[0][1]:.4g} to {points[-1][1]:.4g}, "
            f"{len(points)} points"
            if points
            else f"{name}: no points"
        )
    if found.snapshots:
        rows = [[name, read.stored, str(read.version), read.digest[:8]] for name, read in found.snapshots.items()]
        print_table(["table", "stored as", "version", "digest"], rows)


def comparison(found: Comparison, *, as_json: bool) -> None:
    """Runs side by side: columns for a few, lines for many."""
    if as_json:
        print_json(found.to_json())
        return
    if len(found.runs) <= _SIDE_BY_SIDE:
        _columns(found)
    else:
        _lines(found)
    typer.echo(f"the same in all: {found.same_parameters} parameters" + _standing(found))


def sparkline(values: Sequence[float]) -> str:
    """A curve in a line of text: each character the mean of a stretch, between the least and the most."""
    if not values:
        return ""
    count = min(len(values), _SPARK_CHARS)
    cuts = [len(values) * place // count for place in range(count + 1)]
    means = [sum(values[a:b]) / (b - a) for a, b in pairwise(cuts)]
    low, high = min(means), max(means)
    span = high - low or 1.0
    return "".join(_BARS[round((mean - low) / span * (len(_BARS) - 1))] for mean in means)


def _columns(found: Comparison) -> None:
    heads = [run.short_id for run in found.runs]
    for title, differences in (
        ("parameter", found.parameters), ("data", found.data), ("code", found.code), ("environment", found.environment)
    ):  # fmt: skip
        if differences:
            print_table([title, *heads], [[one.name, *map(_shown, one.values)] for one in differences])
    rows = [[one.name, *(_figure(value) for value in one.values)] for one in found.metrics]
    print_table(["metric", *heads], rows)


def _lines(found: Comparison) -> None:
    place = {run.id: number for number, run in enumerate(found.runs)}
    ranked = found.ranked
    rows = [
        [run.short_id, run.start.name, run.status.value, _figure(run.metrics.get(found.metric))]
        + [_shown(one.values[place[run.id]]) for one in found.parameters]
        for run in ranked[:_LINES]
    ]
    print_table(["run", "name", "status", found.metric, *(one.name for one in found.parameters)], rows)
    if len(ranked) > _LINES:
        typer.echo(f"and {len(ranked) - _LINES} more; --json or --html has all")
    for what, differences in (("data", found.data), ("code", found.code), ("environment", found.environment)):
        if differences:
            typer.echo(f"not the same in all: {what} ({', '.join(one.name for one in differences)})")


def _standing(found: Comparison) -> str:
    best = found.ranked[0]
    if found.higher_is_better is None or found.value(best) is None:
        return ""
    return f" \u00b7 best by {found.metric}: {best.short_id} with {_figure(best.metrics[found.metric])}"


def _line(found: RunRecord) -> list[str]:
    judged = found.tags.get("objective", "")
    took = f"{found.seconds:,.1f} s" if found.seconds is not None else ""
    return [
        found.short_id,
        found.start.kind.value,
        found.start.model,
        found.status.value,
        found.started_at.isoformat(timespec="seconds").removesuffix("+00:00"),
        took,
        judged,
        _figure(found.metrics.get(judged)) if judged else "",
        ", ".join(map(str, found.versions)),
        str(found.children) if found.children else "",
    ]


def _facts(found: RunRecord) -> list[tuple[str, str]]:
    start, environment = found.start, found.start.environment
    took = f" in {found.seconds:,.1f} s" if found.seconds is not None else ""
    code = start.code.commit[:12] if start.code.commit else ""
    facts = [
        ("status", f"{found.status.value}{took}" + (f": {found.failure}" if found.failure else "")),
        ("started", f"{found.started_at.isoformat(timespec='seconds')} on {found.host}"),
        ("name", start.name),
        ("project", start.project),
        ("belongs to", start.parent or ""),
        ("trials", str(found.children) if found.children else ""),
        ("registered", ", ".join(map(str, found.versions))),
        ("code", f"{code} with uncommitted changes" if code and start.code.is_dirty else code),
        ("python", f"{environment['python']} on {environment['platform']}" if environment else ""),
        *((name, value) for name, value in found.tags.items()),
    ]
    return [(name, value) for name, value in facts if value]


def _figure(metric: MetricValue | None) -> str:
    if metric is None or metric.value is None:
        return ""
    ends = f" [{metric.low:.4g}, {metric.high:.4g}]" if metric.low is not None and metric.high is not None else ""
    return f"{metric.value:.6g}{ends}"


def _shown(value: Any) -> str:
    if value is None:
        return ""
    text = value if isinstance(value, str) else f"{value:.6g}" if isinstance(value, float) else json.dumps(value)
    return text if len(text) <= _WIDE else f"{text[: _WIDE - 1]}\u2026"
