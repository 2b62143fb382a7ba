"""The page of a tuning: the verdict on test rows, the front, the search, every trial."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from headrace.core.files import write_atomic
from headrace.pipeline.report import numbers
from headrace.pipeline.report.frame import Section, document, header
from headrace.pipeline.report.markup import Markup, element
from headrace.pipeline.report.tables import Cell, code, number, table, words
from headrace.pipeline.report.tiles import tile
from headrace.pipeline.report.tuning import pictures
from headrace.pipeline.tuning.report import TuningReport
from headrace.training.tuning import State, Trial

_HEADINGS = (
    "trial", "ended", "from", "value", "trees", "p99 \u00b5s", "x floor", "size", "seconds", "parameters",
)  # fmt: skip


def write_tuning(path: Path, report: TuningReport, *, command: str) -> None:
    """Write the page as one HTML file that needs no other file and no network; equal input gives equal bytes."""
    write_atomic(path, render_tuning(report, command=command).encode("utf-8"))


def render_tuning(report: TuningReport, *, command: str) -> str:
    """Give the whole page.

    Args:
        report: what was found.
        command: what writes this page again.
    """
    result = report.result
    drawn = (pictures.front(result), pictures.history(result), pictures.importance(result))
    shown = (
        Section("trials", "The search", tuple(part for part in drawn if part is not None)),
        Section("tables", "Tables", tuple(_tables(report))),
        Section("reproduce", "Reproduce", tuple(_ending(report, command))),
    )
    sentence = f"{report.verdict[0].upper()}{report.verdict[1:]}."
    facts = [element("span", "tuning"), element("span", f"{report.project}, {report.model}")]
    top = header(facts, _badge(report), sentence, element("dl", list(_tiles(report)), class_="tiles"))
    return document(f"{report.model} \u00b7 tuning \u00b7 headrace", top, [part for part in shown if part.body])


def _badge(report: TuningReport) -> Markup:
    gain = report.gain
    if gain is not None and gain.low > 0:
        return element("p", "Verdict: better", class_="standing good")
    untuned = report.result.untuned
    if gain is not None and untuned is not None and not untuned.is_feasible:
        return element("p", "Verdict: meets the target", class_="standing warn")
    if gain is not None and gain.high < 0:
        return element("p", "Verdict: worse", class_="standing bad")
    return element("p", "Verdict: not shown to be better", class_="standing warn")


def _tiles(report: TuningReport) -> Iterator[Markup]:
    result = report.result
    ended = f"{result.count(State.PRUNED)} pruned, {result.count(State.FAILED)} failed"
    yield tile("Trials", numbers.count(len(result.trials)), ended)
    yield tile("Time", numbers.seconds(result.spent_s), f"{numbers.plural(result.jobs, 'trial')} side by side")
    if result.ranked:
        untuned = result.untuned.value if result.untuned else None
        label = f"Validation {result.metric}"
        yield tile(label, numbers.metric(result.winner.value, 4), f"untuned {numbers.metric(untuned, 4)}")
    gain = report.gain
    if gain is not None:
        ends = f"95\u00a0% [{numbers.change(gain.low, 4)}, {numbers.change(gain.high, 4)}]"
        mark = "good" if gain.low > 0 else "bad" if gain.high < 0 else "warn"
        yield tile(f"Test {result.metric}", numbers.change(gain.value, 4), ends, mark)
    if result.targets.any:
        met = sum(trial.is_feasible for trial in result.trials)
        yield tile("Within the target", numbers.count(met), str(result.targets), "" if met else "bad")


def _tables(report: TuningReport) -> Iterator[Markup]:
    result = report.result
    yield table("t-front", "The front, best first", _HEADINGS, [_row(trial) for trial in result.front])
    if result.ranked:
        untuned = result.untuned.params if result.untuned else {}
        rows = [
            [code(name), words(_shown(value)), words(_shown(untuned.get(name)))]
            for name, value in result.winner.params.items()
        ]
        yield table("t-winner", f"Parameters of trial {result.winner.number}", ("parameter", "winner", "untuned"), rows)
    yield table("t-trials", "Every trial", _HEADINGS, [_row(trial) for trial in result.trials])


def _row(trial: Trial) -> list[Cell]:
    found = trial.measured
    state = trial.state.value if not trial.is_complete or trial.is_feasible else "over the target"
    return [
        number(str(trial.number), trial.number),
        words(state, mark="warn" if state == "over the target" else ""),
        words(trial.origin.value),
        number(numbers.metric(trial.value, 5), trial.value),
        number(str(trial.trees), trial.trees),
        number(numbers.compact(found.latency_p99_us), found.latency_p99_us) if found else words(""),
        number(numbers.metric(found.over_floor, 2), found.over_floor) if found else words(""),
        number(numbers.size(found.size_bytes), found.size_bytes) if found else words(""),
        number(numbers.metric(trial.seconds, 1), trial.seconds),
        words(", ".join(f"{name} {_shown(value)}" for name, value in trial.chosen.items())),
    ]


def _ending(report: TuningReport, command: str) -> Iterator[Markup]:
    if report.frozen is not None:
        use = f'params=hr.tuned("tuned/{report.model}.json")'
        yield element("p", "The winner's parameters, as the project file reads them: ", element("code", use))
        text = json.dumps(dict(report.result.winner.params), indent=2)
        yield element("pre", element("code", text), class_="source", tabindex="0")
    yield element("ol", element("li", element("code", command), element("span", "this page again")), class_="commands")


def _shown(value: object) -> str:
    if value is None:
        return ""
    return f"{value:.4g}" if isinstance(value, float) else str(value)
