"""The report in one sentence: good, good with a reservation, or not, and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from headrace.pipeline.report import numbers
from headrace.pipeline.report.model import RunReport

_SAME = 1e-6


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the whole run comes to."""

    standing: Literal["good", "warn", "bad"]
    sentence: str


def judge(report: RunReport) -> Verdict:
    """Give the verdict: every part that is absent is not spoken of.

    Bad: a stage, a check or a gate failed, or the served model is not the trained one. Reserved: checks warned,
    drift was missed or cried without cause.
    """
    wrong = [*_broken(report), *_unequal(report)]
    if wrong:
        return Verdict("bad", f"{report.model} must not go into production: {_list(wrong)}.")
    doubts = _doubts(report)
    strengths = _strengths(report)
    if not strengths and not doubts:
        total = sum(run.seconds for run in report.stages)
        tail = f": {numbers.plural(len(report.stages), 'stage')} in {numbers.seconds(total)}" if report.stages else ""
        return Verdict("good", f"The run of {report.project} finished{tail}.")
    head = f"{report.model} is fit for production"
    sentence = f"{head}: {_list(strengths)}" if strengths else head
    return Verdict("warn", f"{sentence}; but {_list(doubts)}.") if doubts else Verdict("good", f"{sentence}.")


def _broken(report: RunReport) -> list[str]:
    wrong = [f"stage {run.name} failed" for run in report.stages if run.status == "failed"]
    failed = [check for check in report.validation if check.status == "failed"]
    if failed:
        wrong.append(f"{numbers.plural(len(failed), 'check')} of the data failed")
    closed = [gate for gate in report.gates if not gate.passed]
    if closed:
        first = closed[0]
        allowed = "" if first.allowed in first.name else f", allowed {first.allowed}"
        example = f"{first.name}: {numbers.quantity(first.figure)}{allowed}"
        wrong.append(f"{len(closed)} of {numbers.plural(len(report.gates), 'gate')} failed ({example})")
    return wrong


def _unequal(report: RunReport) -> list[str]:
    wrong = []
    if report.export is not None and report.export.leaf_mismatches:
        rows = numbers.plural(report.export.leaf_mismatches, "leaf", "leaves")
        wrong.append(f"{rows} of the exported graph differ from the trained model's")
    served = report.served
    if served is not None and served.max_abs_diff > served.tolerance:
        wrong.append(f"served scores differ from offline ones by up to {numbers.difference(served.max_abs_diff)}")
    elif served is not None and abs(served.figure_served - served.figure_offline) > _SAME * max(
        1.0, abs(served.figure_offline)
    ):
        offline = f"offline it was {served.figure_offline:.6f}"
        wrong.append(f"the served {served.measure.title} is {served.figure_served:.6f}, {offline}")
    return wrong


def _doubts(report: RunReport) -> list[str]:
    doubts = []
    drift = report.drift
    if drift is not None and drift.injected_feature and drift.found != drift.injected_feature:
        blamed = f"was blamed on {drift.found}" if drift.found else "was not found"
        doubts.append(f"an injected change in {drift.injected_feature} {blamed}")
    if drift is not None and drift.false_alarms:
        doubts.append(f"{numbers.plural(drift.false_alarms, 'clean period')} raised a drift alarm")
    if report.retraining is not None and report.retraining.outcome == "rejected":
        doubts.append("the retrained candidate did not pass its gates")
    return doubts


def _strengths(report: RunReport) -> list[str]:
    parts = []
    if report.evaluation is not None:
        naive = report.evaluation.naive
        beside = f" (naive baseline {numbers.amount(naive.figure.value)})" if naive is not None else ""
        figure, measure = report.evaluation.model.figure, report.evaluation.measure
        parts.append(f"its test {measure.title} is {numbers.quantity(figure)}{beside}")
    if report.gates:
        parts.append(
            f"all {numbers.plural(len(report.gates), 'gate')} passed" if len(report.gates) > 1 else "its gate passed"
        )
    if report.served is not None:
        exactly = (
            "exactly"
            if report.served.max_abs_diff == 0
            else f"to within {numbers.difference(report.served.max_abs_diff)}"
        )
        parts.append(f"the server answered {numbers.count(report.served.rows)} rows with the offline scores {exactly}")
    return parts


def _list(parts: list[str]) -> str:
    if len(parts) < 2:
        return "".join(parts)
    return f"{', '.join(parts[:-1])}, and {parts[-1]}" if len(parts) > 2 else " and ".join(parts)
