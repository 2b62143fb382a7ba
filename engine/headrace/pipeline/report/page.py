"""The page: verdict, pictures, tables, how to reproduce; style and script inside, nothing loaded from anywhere."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import resources

from headrace.pipeline.report import numbers
from headrace.pipeline.report.gallery import Section, sections
from headrace.pipeline.report.listing import tables
from headrace.pipeline.report.markup import Markup, element, trusted
from headrace.pipeline.report.model import Fact, RunReport
from headrace.pipeline.report.tables import SHORT_DIGEST
from headrace.pipeline.report.tiles import tiles
from headrace.pipeline.report.verdict import Verdict, judge

# Nothing may be loaded, whatever a name in the report holds.
_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
)
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
    body = element(
        "body",
        element("a", "Skip to the findings", href="#main", class_="skip"),
        _header(report, verdict),
        element(
            "div", _contents(shown), element("main", (_section(part) for part in shown), id="main"), class_="columns"
        ),
        element("footer", "One file, complete in itself: it loads nothing and sends nothing."),
        element("script", _asset("report.js")),
    )
    return f"<!doctype html>\n{element('html', _head(report), body, lang='en')}\n"


def _head(report: RunReport) -> Markup:
    return element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        element("meta", name="color-scheme", content="light dark"),
        element("meta", name="referrer", content="no-referrer"),
        element("title", f"{report.model} \u00b7 {report.project} \u00b7 headrace"),
        element("style", _asset("report.css")),
    )


def _header(report: RunReport, verdict: Verdict) -> Markup:
    facts = [element("span", report.project), element("span", report.digest[:SHORT_DIGEST], title=report.digest)]
    if report.finished_at:
        spoken = report.finished_at.replace("T", " ").removesuffix("Z") + " UTC"
        facts.append(element("time", spoken, datetime=report.finished_at))
    return element(
        "header",
        element("p", element("strong", "headrace", class_="brand"), facts, class_="run-line"),
        element("p", _STANDING[verdict.standing], class_=f"standing {verdict.standing}"),
        element("h1", verdict.sentence),
        element("p", report.question, class_="question"),
        tiles(report),
    )


def _contents(shown: Sequence[Section]) -> Markup:
    links = (element("li", element("a", part.heading, href=f"#{part.name}")) for part in shown)
    return element("nav", element("ol", links), aria_label="Contents")


def _section(part: Section) -> Markup:
    flow = "stack" if part.name in {"tables", "reproduce"} else "grid"
    heading = element("h2", part.heading, id=f"h-{part.name}")
    return element(
        "section", heading, element("div", part.body, class_=flow), id=part.name, aria_labelledby=f"h-{part.name}"
    )


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


def _asset(name: str) -> Markup:
    return trusted(resources.files(__package__).joinpath("assets", name).read_text(encoding="utf-8"))
