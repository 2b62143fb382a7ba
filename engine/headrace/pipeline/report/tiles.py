"""The key figures under the verdict: one number each, its interval or context beneath."""

from __future__ import annotations

from collections.abc import Iterator

from headrace.pipeline.report import numbers
from headrace.pipeline.report.markup import Markup, element
from headrace.pipeline.report.model import Drift, Estimate, RunReport


def tiles(report: RunReport) -> Markup | None:
    """Give the row of key figures; None where the report has none."""
    shown = [*_model(report), *_service(report), *_operations(report)]
    return element("dl", shown, class_="tiles") if shown else None


def _model(report: RunReport) -> Iterator[Markup]:
    if report.evaluation is not None:
        figure, measure = report.evaluation.model.figure, report.evaluation.measure
        yield tile(f"Test {measure.title}", numbers.amount(figure.value), _ends(figure))
    if report.ablation is not None:
        full, without = report.ablation.full.figure.value, report.ablation.without_windows.figure.value
        note = f"{report.ablation.measure.title} without them {numbers.amount(without)}"
        yield tile("Window features", numbers.change_interval(Estimate(full - without)), note)
    if report.gates:
        passed = sum(gate.passed for gate in report.gates)
        mark = "" if passed == len(report.gates) else "bad"
        yield tile("Gates passed", f"{passed} of {len(report.gates)}", "declared in the project", mark)


def _service(report: RunReport) -> Iterator[Markup]:
    if report.export is not None:
        mark = "bad" if report.export.leaf_mismatches else ""
        rows = f"in {numbers.count(report.export.rows)} rows, {numbers.plural(report.export.trees, 'tree')}"
        yield tile("Leaf mismatches", numbers.count(report.export.leaf_mismatches), rows, mark)
    if report.served is not None:
        mark = "bad" if report.served.max_abs_diff > report.served.tolerance else ""
        largest = numbers.difference(report.served.max_abs_diff)
        yield tile("Served \u2212 offline", largest, f"largest of {numbers.count(report.served.rows)} rows", mark)
    if report.service is not None:
        p99 = f"p99 {numbers.milliseconds(report.service.p99_ms)}, {report.service.device}"
        yield tile("Latency p50", numbers.milliseconds(report.service.p50_ms), p99)


def _operations(report: RunReport) -> Iterator[Markup]:
    canary = report.release.canary if report.release is not None else None
    if canary is not None:
        note = f"{numbers.percent(canary.planned)} planned, {numbers.plural(canary.requests, 'request')}"
        yield tile("Canary share", numbers.percent(canary.measured.value), note)
    if report.drift is not None:
        yield _drift(report.drift)


def _drift(drift: Drift) -> Markup:
    alarms = numbers.plural(drift.false_alarms, "false alarm")
    if not drift.injected_feature:
        return tile("Drift", drift.found or "none", alarms, "warn" if drift.found else "")
    if drift.found == drift.injected_feature:
        return tile("Injected drift", "found", f"{drift.found}; {alarms}", "warn" if drift.false_alarms else "")
    return tile("Injected drift", "missed", f"{drift.injected_feature}; {alarms}", "warn")


def tile(label: str, figure: str, note: str, mark: str = "") -> Markup:
    """Give one key figure: its name, the number, what it means or its interval, and a mark (good, warn, bad)."""
    return element(
        "div",
        element("dt", label),
        element("dd", figure, class_=f"figure {mark}".strip()),
        element("dd", note, class_="note"),
    )


def _ends(estimate: Estimate) -> str:
    if not numbers.has_interval(estimate):
        return "no interval"
    return f"95\u00a0% [{numbers.amount(estimate.low)}, {numbers.amount(estimate.high)}]"
