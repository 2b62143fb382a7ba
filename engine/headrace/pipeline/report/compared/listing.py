"""The tables of a comparison, and what makes it again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from headrace.pipeline.report import numbers
from headrace.pipeline.report.compared.names import estimate, is_number, label, shown, spelled
from headrace.pipeline.report.markup import Markup, element
from headrace.pipeline.report.tables import Cell, code, digest, number, table, words
from headrace.training.runs import Comparison, Difference, MetricValue, RunRecord, RunStatus

_SIDE_BY_SIDE = 6
_DECIMALS = 4  # runs of one study often differ in the third
_MARKS = {RunStatus.FINISHED: "good", RunStatus.FAILED: "bad", RunStatus.KILLED: "warn", RunStatus.RUNNING: ""}


def tables(found: Comparison, importance: dict[str, float] | None) -> Iterator[Markup]:
    """Runs; then what differs: side by side for a few runs, in the runs' own table for many."""
    few = len(found.runs) <= _SIDE_BY_SIDE
    yield _runs(found, () if few else found.parameters)
    if few:
        yield from _differences("t-parameters", "Parameters that differ", found, found.parameters)
    if importance:
        rows = [[code(name), number(numbers.percent(share), share)] for name, share in importance.items()]
        yield table("t-importance", "Importance of parameters", ("parameter", "share"), rows)
    if few:
        heads = ("metric", *map(label, found.runs))
        rows = [[code(one.name), *map(_metric, one.values)] for one in found.metrics]
        yield table("t-metrics", "Metrics", heads, rows)
    yield from _differences("t-data", "Tables that are not the same", found, found.data)
    yield from _differences("t-code", "Code that is not the same", found, found.code)
    yield from _differences("t-environment", "Machines and libraries that are not the same", found, found.environment)


def reproduce(found: Comparison, command: str) -> Iterator[Markup]:
    """How this page, and the best run, come again."""
    lines = [element("li", element("code", command), element("span", "this page again"))]
    best = found.ranked[0]
    told = "everything known of the best run" if found.higher_is_better is not None else "everything known of a run"
    lines.append(element("li", element("code", f"headrace runs show {best.short_id}"), element("span", told)))
    if best.start.code.commit is not None:
        dirty = ", which held uncommitted changes" if best.start.code.is_dirty else ""
        line = element("code", f"git checkout {best.start.code.commit}")
        lines.append(element("li", line, element("span", f"the code of {label(best)}{dirty}")))
    yield element("ol", lines, class_="commands")


def _runs(found: Comparison, parameters: Sequence[Difference]) -> Markup:
    place = {run.id: position for position, run in enumerate(found.runs)}
    heads = ["run", "name", "status", "started", "seconds"]
    heads += [spelled(found.metric)] if found.metric else []
    rows = [
        [
            digest(run.id),
            words(run.start.name or run.start.kind.value),
            Cell(run.status.value, mark=_MARKS[run.status], title=run.failure),
            words(run.started_at.strftime("%Y-%m-%d\u00a0%H:%M")),
            number(numbers.metric(run.seconds, 1), run.seconds),
            *([_metric(run.metrics.get(found.metric))] if found.metric else []),
            *(_value(one.values[place[run.id]]) for one in parameters),
        ]
        for run in found.ranked
    ]
    return table("t-runs", "Runs", [*heads, *(one.name for one in parameters)], rows)


def _differences(name: str, title: str, found: Comparison, differences: Sequence[Difference]) -> Iterator[Markup]:
    if not differences:
        return
    if len(found.runs) <= _SIDE_BY_SIDE:
        rows = [[code(one.name), *map(_value, one.values)] for one in differences]
        yield table(name, title, ("name", *map(label, found.runs)), rows)
        return
    rows = []
    for one in differences:
        for value in dict.fromkeys(map(shown, one.values)):
            having = [run for run, own in zip(found.runs, one.values, strict=True) if shown(own) == value]
            rows.append([code(one.name), words(value), number(str(len(having)), len(having)), words(_some(having))])
    yield table(name, title, ("name", "value", "runs", "which"), rows)


def _some(runs: Sequence[RunRecord]) -> str:
    named = ", ".join(map(label, runs[:4]))
    return f"{named} and {len(runs) - 4} more" if len(runs) > 4 else named


def _metric(metric: MetricValue | None) -> Cell:
    if metric is None or metric.value is None:
        return words("")
    found = estimate(metric)
    text = numbers.interval(found, _DECIMALS) if abs(found.value) < 1 else numbers.quantity(found)
    return number(text, metric.value)


def _value(value: Any) -> Cell:
    return number(shown(value), float(value)) if is_number(value) else words("" if value is None else shown(value))
