"""The page of a run: verdict, pictures, tables, how to reproduce."""

from __future__ import annotations

from collections.abc import Sequence

from headrace.pipeline.report import numbers
from headrace.pipeline.report.frame import Section, document, header
from headrace.pipeline.report.gallery import sections
from headrace.pipeline.report.listing import tables
from headrace.pipeline.report.markup import Markup, element
from headrace.pipeline.report.model import Fact, RunReport
from headrace.pipeline.report.tables import SHORT_DIGEST
from headrace.pipeline.report.tiles import tiles
from headrace.pipeline.report.verdict import Verdict, judge

_STANDING = {"good": "Verdict: good", "warn": "Verdict: good, with a reservation", "bad": "Verdict: not fit"}


def render(report: RunReport) -> str:
    """Give the whole page. Equal reports give equal text."""
    verdict = judge(report)
    shown = sections(report)
    listed = tables(report)
    if listed:
        shown.append(Section("tables", "Tables", tuple(listed)))
    ending = _reproduce(report)
    if ending:
        shown.append(Section("reproduce", "How to reproduce", tuple(ending)))
    title = f"{report.model} \u00b7 {report.project} \u00b7 headrace"
    return document(title, _header(report, verdict), shown)


def _header(report: RunReport, verdict: Verdict) -> Markup:
    facts = [element("span", report.project), element("span", report.digest[:SHORT_DIGEST], title=report.digest)]
    if report.finished_at:
        spoken = report.finished_at.replace("T", " ").removesuffix("Z") + " UTC"
        facts.append(element("time", spoken, datetime=report.finished_at))
    standing = element("p", _STANDING[verdict.standing], class_=f"standing {verdict.standing}")
    question = element("p", report.question, class_="question")
    return header(facts, standing, verdict.sentence, question, tiles(report))


def _reproduce(report: RunReport) -> list[Markup]:
    parts = []
    if report.reproduce:
        lines = (
            element("li", element("code", command.line), element("span", command.purpose) if command.purpose else None)
            for command in report.reproduce
        )
        parts.append(element("ol", lines, class_="commands"))
    lineage = report.lineage
    if lineage is not None:
        named = f" ({lineage.version}{', ' + lineage.alias if lineage.alias else ''})" if lineage.version else ""
        facts = [Fact(f"package{named}", lineage.package_digest)]
        facts += [Fact("package size", numbers.size(lineage.size_bytes))] if lineage.size_bytes else []
        parts.append(_facts("Lineage", [*facts, Fact("inputs of the run", report.digest), *lineage.facts]))
    if report.environment:
        parts.append(_facts("Environment", report.environment))
    return parts


def _facts(heading: str, facts: Sequence[Fact]) -> Markup:
    pairs = (element("div", element("dt", fact.name), element("dd", fact.value)) for fact in facts)
    return element("section", element("h3", heading), element("dl", pairs), class_="facts")
