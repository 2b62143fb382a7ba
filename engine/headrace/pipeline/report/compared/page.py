"""Runs side by side as one HTML file: the finding, curves, parameters, tables."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from headrace.core.files import write_atomic
from headrace.pipeline.report import numbers
from headrace.pipeline.report.compared import listing, outcome, space
from headrace.pipeline.report.compared.curves import curves
from headrace.pipeline.report.compared.names import estimate, label, spelled
from headrace.pipeline.report.frame import Section, document, header
from headrace.pipeline.report.markup import Markup, element
from headrace.pipeline.report.tiles import tile
from headrace.training.runs import Comparison, RunStatus


def write_comparison(path: Path, found: Comparison, *, command: str) -> None:
    """Write the page as one HTML file that needs no other file and no network.

    Args:
        path: of the file.
        found: the runs, with their curves.
        command: what writes this page again.
    """
    write_atomic(path, render_comparison(found, command).encode())


def render_comparison(found: Comparison, command: str) -> str:
    """Give the whole page. Equal comparisons give equal text."""
    importance = space.importance_of(found)
    sections = (
        Section("outcome", "Outcome", tuple(outcome.pictures(found))),
        Section("curves", "Curves", tuple(curves(found))),
        Section("parameters", "Parameters", tuple(space.pictures(found, importance))),
        Section("tables", "Tables", tuple(listing.tables(found, importance))),
        Section("reproduce", "Reproduce", tuple(listing.reproduce(found, command))),
    )
    model = ", ".join(sorted({run.start.model for run in found.runs if run.start.model}))
    started = [run.started_at.strftime("%Y-%m-%d") for run in found.runs]
    span = min(started) if min(started) == max(started) else f"{min(started)} to {max(started)}"
    facts = [element("span", "runs compared"), element("span", model or "no model named"), element("span", span)]
    tiles = element("dl", list(_tiles(found, importance)), class_="tiles")
    title = f"{numbers.plural(len(found.runs), 'run')} of {model or 'no model'} \u00b7 headrace"
    top = header(facts, None, _sentence(found, importance), tiles)
    return document(title, top, [section for section in sections if section.body])


def _sentence(found: Comparison, importance: dict[str, float] | None) -> str:
    runs, metric = found.ranked, spelled(found.metric)
    several = numbers.plural(len(runs), "run")
    best = runs[0]
    value = found.value(best)
    if found.higher_is_better is None or value is None:
        return f"{several}, {numbers.plural(len(found.parameters), 'parameter')} differ between them."
    shown = numbers.interval(estimate(best.metrics[found.metric]), 4)
    second = found.value(runs[1])
    if second is None:
        return f"Of {several} {label(best)} alone has a value: {metric} {shown}."
    text = f"{label(best)} is best of {several}: {metric} {shown}"
    if len(runs) == 2:
        text = f"{label(best)} beats {label(runs[1])} by {numbers.metric(abs(value - second), 4)} {metric}"
        text += outcome.overlap(found, best, runs[1])
    if importance:
        first = next(iter(importance))
        text += f"; {first} decides most, {numbers.percent(importance[first], 0)} of what parameters do alone"
    return f"{text}."


def _tiles(found: Comparison, importance: dict[str, float] | None) -> Iterator[Markup]:
    states = [run.status for run in found.runs]
    finished = states.count(RunStatus.FINISHED)
    others = ", ".join(
        f"{states.count(state)} {state.value}" for state in RunStatus if state in states and state != RunStatus.FINISHED
    )
    mark = "warn" if finished < len(states) else ""
    yield tile("Runs", numbers.count(len(states)), others or "all finished", mark)
    values = sorted(value for run in found.runs if (value := found.value(run)) is not None)
    best = found.value(found.ranked[0])
    if best is not None and found.higher_is_better is not None:
        note = f"median {numbers.metric(values[len(values) // 2], 4)}, {label(found.ranked[0])}"
        yield tile(f"Best {spelled(found.metric)}", numbers.metric(best, 4), note)
    same = f"{found.same_parameters} the same in all"
    yield tile("Parameters that differ", numbers.count(len(found.parameters)), same)
    if importance:
        first = next(iter(importance))
        yield tile("Decides most", numbers.percent(importance[first], 0), first)
    where = [
        name for name, one in (("data", found.data), ("code", found.code), ("environment", found.environment)) if one
    ]
    known = any(run.snapshots or run.start.code.commit for run in found.runs)
    figure = "not the same" if where else "the same" if known else "not told"
    yield tile("Data and code", figure, ", ".join(where) or "no difference found", "warn" if where else "")
