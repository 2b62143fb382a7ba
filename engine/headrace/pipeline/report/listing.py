"""Which tables a report shows: the numbers behind the pictures, in the same order."""

from __future__ import annotations

from collections.abc import Iterator

from headrace.pipeline.report import numbers
from headrace.pipeline.report.markup import Markup
from headrace.pipeline.report.model import DataProfile, Drift, Estimate, Evaluation, RunReport, ScorerQuality, spelled
from headrace.pipeline.report.tables import Cell, code, digest, number, status, table, words
from headrace.pipeline.report.use_tables import use_tables


def tables(report: RunReport) -> list[Markup]:
    """Give every table that has rows."""
    return [*_run(report), *_model(report), *_operations(report), *_lineage(report)]


def _run(report: RunReport) -> Iterator[Markup]:
    if report.stages:
        rows = [
            [words(run.name), status(run.status), _seconds(run.seconds), words(run.headline), words(run.detail)]
            for run in report.stages
        ]
        yield table("t-stages", "Stages", ("stage", "outcome", "seconds", "headline", "detail"), rows)
    if report.data is not None:
        yield from _data(report.data)
    if report.validation:
        rows = [
            [
                code(check.table),
                code(check.column),
                words(check.name),
                status(check.status),
                _count(check.rows),
                words(check.detail),
            ]
            for check in report.validation
        ]
        yield table("t-checks", "Validation checks", ("table", "column", "check", "outcome", "rows", "detail"), rows)


def _data(data: DataProfile) -> Iterator[Markup]:
    if data.tables:
        rows = [
            [
                code(entry.name),
                _count(entry.rows),
                _count(entry.quarantined),
                _count(entry.version),
                digest(entry.digest),
                words(entry.source),
            ]
            for entry in data.tables
        ]
        yield table("t-tables", "Tables read", ("table", "rows", "quarantined", "version", "digest", "source"), rows)
    if data.columns:
        rows = [
            [
                code(column.table),
                code(column.name),
                words(column.dtype),
                words(column.unit),
                _count(column.nulls),
                _share(column.nulls / column.rows if column.rows else None),
                _quantity(column.minimum),
                _quantity(column.mean),
                _quantity(column.maximum),
                number(numbers.count(column.distinct), column.distinct),
            ]
            for column in data.columns
        ]
        headings = ("table", "column", "type", "unit", "nulls", "null share", "least", "mean", "most", "distinct")
        yield table("t-columns", "Columns", headings, rows)


def _model(report: RunReport) -> Iterator[Markup]:
    if report.evaluation is not None:
        yield from _evaluation(report.evaluation)
    if report.gates:
        rows = [
            [
                words(gate.name),
                status("passed" if gate.passed else "failed"),
                number(numbers.quantity(Estimate(gate.figure.value)), gate.figure.value),
                _interval(gate.figure),
                words(gate.allowed),
                words(gate.reason),
            ]
            for gate in report.gates
        ]
        yield table("t-gates", "Gates", ("gate", "verdict", "figure", "95\u00a0% interval", "allowed", "reason"), rows)
    yield from use_tables(report)
    if report.importance:
        ranked = sorted(report.importance, key=lambda feature: (-feature.gain_share, feature.name))
        rows = [
            [
                _count(rank),
                code(feature.name),
                words(feature.role),
                _share(feature.gain_share, 2),
                words(feature.description),
            ]
            for rank, feature in enumerate(ranked, start=1)
        ]
        yield table("t-features", "Features", ("rank", "feature", "role", "gain share", "description"), rows)


def _evaluation(evaluation: Evaluation) -> Iterator[Markup]:
    scorers = [evaluation.model, *([evaluation.naive] if evaluation.naive is not None else [])]
    names = tuple(name for name, _ in evaluation.model.figures) or (evaluation.measure.name,)
    headings = ("scorer", *map(spelled, names))
    rows = [_scorer(scorer, names) for scorer in scorers]
    yield table("t-scorers", f"Metrics, {evaluation.split}", headings, rows)
    if evaluation.slices:
        rows = [
            [
                code(part.column),
                words(part.value),
                _count(part.rows),
                _share(part.positive_share),
                _amount(part.figure),
                _interval(part.figure),
            ]
            for part in evaluation.slices
        ]
        headings = ("slice", "value", "rows", "positives", evaluation.measure.title, "95\u00a0% interval")
        yield table("t-slices", "Slices", headings, rows)


def _scorer(scorer: ScorerQuality, names: tuple[str, ...]) -> list[Cell]:
    figures = (scorer.other(name) for name in names) if scorer.figures else (scorer.figure,)
    cells = (number(numbers.quantity(one), one.value) if one else number(numbers.MISSING, None) for one in figures)
    return [words(scorer.name), *cells]


def _operations(report: RunReport) -> Iterator[Markup]:
    if report.release is not None and report.release.events:
        rows = [
            [
                _count(line),
                code(event.at),
                words(event.event.replace("_", " ")),
                number(_version(event.champion), event.champion),
                number(_version(event.candidate), event.candidate),
                _share(event.candidate_share if event.candidate is not None else None),
                words(event.actor),
                words(event.reason),
            ]
            for line, event in enumerate(report.release.events, start=1)
        ]
        headings = ("line", "at (UTC)", "event", "champion", "candidate", "candidate share", "by", "reason")
        yield table("t-ledger", f"Release ledger of {report.release.model}", headings, rows)
    if report.drift is not None and report.drift.periods:
        yield _drift(report.drift)
    if report.performance:
        rows = [
            [
                words(period.label),
                _count(period.predictions),
                _count(period.labelled),
                _amount(period.figure),
                _interval(period.figure),
            ]
            for period in report.performance
        ]
        measure = report.evaluation.measure.title if report.evaluation is not None else "figure"
        columns = ("period", "predictions", "labels", measure, "95\u00a0% interval")
        yield table("t-performance", "Quality in production", columns, rows)


def _drift(drift: Drift) -> Markup:
    rows = []
    for position, period in enumerate(drift.periods):
        judged = [
            (value, entry.feature)
            for entry in drift.series
            if position < len(entry.over_threshold) and (value := entry.over_threshold[position]) is not None
        ]
        strongest, feature = max(judged, default=(None, ""))
        rows.append(
            [
                words(period.label),
                status(period.verdict),
                _count(period.rows),
                code(feature),
                number(f"\u00d7{numbers.compact(strongest)}" if judged else numbers.MISSING, strongest),
                words("a change was put in" if period.injected else ""),
            ]
        )
    headings = ("period", "verdict", "rows", "strongest feature", "over its threshold", "note")
    return table("t-drift", "Drift by period", headings, rows)


def _lineage(report: RunReport) -> Iterator[Markup]:
    if report.lineage is not None and report.lineage.files:
        rows = [
            [code(file.name), number(numbers.size(file.size_bytes), file.size_bytes), digest(file.digest)]
            for file in report.lineage.files
        ]
        yield table("t-files", "Files of the package", ("file", "size", "digest"), rows)


def _count(value: int) -> Cell:
    return number(numbers.count(value), value)


def _seconds(value: float) -> Cell:
    return number(numbers.seconds(value), value)


def _share(value: float | None, decimals: int = 1) -> Cell:
    return number(numbers.percent(value, decimals), value)


def _quantity(value: float | None) -> Cell:
    return number(numbers.compact(value), value)


def _amount(estimate: Estimate | None) -> Cell:
    value = estimate.value if estimate is not None else None
    return number(numbers.amount(value), value)


def _interval(estimate: Estimate | None) -> Cell:
    if estimate is None or not numbers.has_interval(estimate):
        return words("")
    return words(f"[{numbers.amount(estimate.low)}, {numbers.amount(estimate.high)}]")


def _version(version: int | None) -> str:
    return numbers.MISSING if version is None else str(version)
