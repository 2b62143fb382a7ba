"""Which pictures a report shows, by section; a part that is absent leaves its picture out, an empty section itself."""

from __future__ import annotations

from collections.abc import Iterator

from headrace.pipeline.report import numbers
from headrace.pipeline.report.frame import Section
from headrace.pipeline.report.markup import Markup, element
from headrace.pipeline.report.model import Measure, RunReport
from headrace.pipeline.report.pictures import (
    calibration,
    discrimination,
    drift,
    gates,
    learning,
    production,
    profile,
    release,
    run,
    service,
    training,
    use,
)


def sections(report: RunReport) -> list[Section]:
    """Give the sections that have something to show, in the order of the stages."""
    every = (
        Section("run", "The run", tuple(_run(report))),
        Section("data", "Data", tuple(_data(report))),
        Section("quality", "Model quality", tuple(_quality(report))),
        Section("learned", "What the model learned", tuple(_learned(report))),
        Section("serving", "Serving", tuple(_serving(report))),
        Section("release", "Release", tuple(_release(report))),
        Section("monitoring", "Monitoring and retraining", tuple(_monitoring(report))),
    )
    return [section for section in every if section.body]


def _run(report: RunReport) -> Iterator[Markup]:
    if report.stages:
        yield run.stages(report.stages)
    if report.validation:
        yield run.checks(report.validation)


def _data(report: RunReport) -> Iterator[Markup]:
    columns = report.data.columns if report.data is not None else ()
    shown = tuple(column for column in columns if column.histogram is not None or column.top)
    if shown:
        cards = [profile.column(position, column) for position, column in enumerate(shown)]
        heading = element("p", profile.title(shown), class_="finding")
        yield element("div", heading, element("div", cards, class_="small-multiples"), class_="full")


def _quality(report: RunReport) -> Iterator[Markup]:
    evaluation = report.evaluation
    if evaluation is not None:
        if evaluation.model.roc is not None:
            yield discrimination.roc(evaluation, report.positives)
        if evaluation.model.calibration:
            yield calibration.reliability(evaluation)
        if evaluation.model.scores is not None:
            yield calibration.scores(evaluation)
    if report.gates:
        yield gates.gates(report.gates)
    if evaluation is not None and any(numbers.finite(part.figure.value) for part in evaluation.slices):
        yield gates.slices(evaluation)
    yield from _use(report)


def _use(report: RunReport) -> Iterator[Markup]:
    if report.decisions is not None and report.decisions.curve:
        yield use.decisions(report.decisions)
    for position, found in enumerate(report.fairness):
        if found.groups:
            yield use.fairness(position, found)
    if report.weak_slices is not None and report.weak_slices.slices:
        yield use.weak_slices(report.weak_slices)
    if report.overconfident is not None and report.overconfident.slices:
        yield use.overconfident(report.overconfident)
    if report.robustness is not None and report.robustness.damages:
        yield use.robustness(report.robustness)


def _learned(report: RunReport) -> Iterator[Markup]:
    if report.ablation is not None:
        yield discrimination.windows(report.ablation)
    if report.learning_curve is not None and report.learning_curve.valid:
        yield training.learning_curve(report.learning_curve)
    if report.folds is not None and len(report.folds.values) > 1:
        yield training.folds(report.folds)
    if report.data_study is not None and report.data_study.curve:
        yield learning.data_curve(report.data_study)
        yield learning.months(report.data_study)
    if report.effects is not None and report.effects.features:
        yield learning.effects(report.effects)
    if report.importance:
        yield training.importance(report.importance)


def _serving(report: RunReport) -> Iterator[Markup]:
    if report.export is not None or report.served is not None:
        yield service.exactness(report.export, report.served)
    if report.service is not None:
        yield service.latency(report.service)


def _release(report: RunReport) -> Iterator[Markup]:
    if report.release is not None and report.release.events:
        yield release.timeline(report.release)
    if report.release is not None and report.release.canary is not None:
        yield release.canary(report.release.canary)


def _monitoring(report: RunReport) -> Iterator[Markup]:
    if report.drift is not None and report.drift.periods and report.drift.series:
        yield drift.heat_map(report.drift)
    if report.performance:
        judged = report.evaluation
        offline = judged.model.figure if judged is not None else None
        measure = judged.measure if judged is not None else Measure()
        yield production.monitored(report.performance, offline, measure)
    if report.retraining is not None:
        yield production.retraining(report.retraining)
