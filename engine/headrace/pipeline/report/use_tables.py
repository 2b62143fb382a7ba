"""The numbers behind the pictures about using the model."""

from __future__ import annotations

from collections.abc import Iterator

from headrace.pipeline.report import numbers
from headrace.pipeline.report.markup import Markup
from headrace.pipeline.report.model import Estimate, RunReport, spelled
from headrace.pipeline.report.tables import Cell, number, table, words

_INTERVAL = "95\u00a0% interval"


def use_tables(report: RunReport) -> Iterator[Markup]:
    """Give the tables of decisions, groups, weak slices and broken inputs that the report has."""
    if report.decisions is not None:
        rows = [[words(spelled(name)), *_figure(one)] for name, one in report.decisions.figures]
        yield table("t-decisions", "Decisions at the threshold", ("metric", "figure", _INTERVAL), rows)
    for position, found in enumerate(report.fairness):
        rows = [
            [words(one.name), number(numbers.count(one.rows), one.rows), *_figure(one.rate)] for one in found.groups
        ]
        columns = ("group", "rows", "share acted on", _INTERVAL)
        yield table(f"t-fairness-{position}", f"Groups of {found.column}", columns, rows)
    if report.weak_slices is not None and report.weak_slices.slices:
        rows = [
            [
                words(one.name),
                number(numbers.count(one.rows), one.rows),
                number(numbers.percent(one.share), one.share),
                *_figure(one.excess),
            ]
            for one in report.weak_slices.slices
        ]
        excess = f"{report.weak_slices.loss} above the rest"
        yield table("t-weak", "Weak slices nobody declared", ("slice", "rows", "share", excess, _INTERVAL), rows)
    if report.robustness is not None and report.robustness.damages:
        rows = [[words(one.name), words(one.kind), *_figure(one.drop)] for one in report.robustness.damages]
        worse = f"{report.robustness.measure.title} worse by"
        yield table("t-robustness", "Broken inputs", ("broken input", "kind", worse, _INTERVAL), rows)


def _figure(estimate: Estimate) -> tuple[Cell, Cell]:
    ends = f"[{numbers.amount(estimate.low)}, {numbers.amount(estimate.high)}]"
    cell = number(numbers.amount(estimate.value), estimate.value)
    return cell, words(ends if numbers.has_interval(estimate) else "")
