"""The page of a validation: verdict, pictures, tables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from headrace.core.files import write_atomic
from headrace.pipeline.report import numbers
from headrace.pipeline.report.examined import bias, differences, listing, overview
from headrace.pipeline.report.frame import Section, document, header
from headrace.pipeline.report.markup import Markup, element
from headrace.pipeline.report.tiles import tile
from headrace.validation.examination import Examination

_STANDING = {"good": "Verdict: as declared", "warn": "Verdict: worth a look", "bad": "Verdict: not as declared"}


def write_page(path: Path, project: str, examined: Sequence[Examination], *, finished_at: str = "") -> None:
    """Write the page as one HTML file that needs no other file and no network; equal input gives equal bytes.

    Args:
        path: of the file.
        project: as the user typed it.
        examined: one a table.
        finished_at: ISO 8601, UTC; empty keeps the time out of the file.
    """
    shown = [section for section in _sections(examined) if section.body]
    title = f"data of {project} \u00b7 headrace"
    page = document(title, _header(project, examined, finished_at), shown)
    write_atomic(path, page.encode("utf-8"))


def _sections(examined: Sequence[Examination]) -> Iterator[Section]:
    yield Section("checks", "Checks", tuple(overview.pictures(examined)))
    yield Section("differences", "Unlike the reference", tuple(differences.pictures(examined)))
    yield Section("facts", "What the tables show by themselves", tuple(overview.facts(examined)))
    yield Section("groups", "Groups and what stands in for them", tuple(bias.pictures(examined)))
    yield Section("tables", "Tables", tuple(listing.tables(examined)))


def _header(project: str, examined: Sequence[Examination], finished_at: str) -> Markup:
    facts = [element("span", project), element("span", ", ".join(table.name for table in examined))]
    if finished_at:
        facts.append(element("time", finished_at.replace("T", " ").removesuffix("Z") + " UTC", datetime=finished_at))
    standing, sentence = verdict(examined)
    badge = element("p", _STANDING[standing], class_=f"standing {standing}")
    return header(facts, badge, sentence, element("dl", list(_tiles(examined)), class_="tiles"))


def verdict(examined: Sequence[Examination]) -> tuple[str, str]:
    """Good, worth a look, or bad; and why, in one sentence."""
    checks = [check for table in examined for check in table.checks]
    failed = [check for check in checks if check.status == "failed"]
    warned = [check for check in checks if check.status == "warned"]
    findings = [finding for table in examined for finding in table.findings]
    rows = numbers.count(sum(table.rows for table in examined))
    tables = f"{numbers.plural(len(examined), 'table')} of {rows} rows"
    if failed:
        first = f"{failed[0].name} of {failed[0].column}" if failed[0].column else failed[0].name
        others = f" and {numbers.plural(len(failed) - 1, 'other check')}" if len(failed) > 1 else ""
        return "bad", f"{tables}: {first}{others} failed."
    passed = f"{len(checks) - len(warned)} of {numbers.plural(len(checks), 'check')} passed"
    if findings or warned:
        parts = [passed] if checks else []
        parts += [numbers.plural(len(findings), "finding")] if findings else []
        first = (
            findings[0].message if findings else f"{warned[0].name} of {warned[0].column} warned: {warned[0].detail}"
        )
        return "warn", f"{tables}: {', '.join(parts)}; {first}."
    return "good", f"{tables}: {passed}." if checks else f"{tables}: nothing is unlike the reference."


def _tiles(examined: Sequence[Examination]) -> Iterator[Markup]:
    checks = [check for table in examined for check in table.checks]
    yield tile("Rows", numbers.count(sum(table.rows for table in examined)), numbers.plural(len(examined), "table"))
    if checks:
        passed = sum(check.status == "passed" for check in checks)
        failed = sum(check.status == "failed" for check in checks)
        mark = "bad" if failed else "warn" if passed < len(checks) else ""
        yield tile("Checks passed", f"{passed} of {len(checks)}", f"{failed} failed", mark)
        aside = sum(table.report.rejected.num_rows for table in examined if table.report is not None)
        yield tile("Rows set aside", numbers.count(aside), "with their reasons", "warn" if aside else "")
    judged = [table.anomalies for table in examined if table.anomalies is not None]
    if judged:
        found = sum(len(report.findings) for report in judged)
        alpha = numbers.percent(judged[0].settings.alpha)
        note = f"{numbers.count(sum(report.tests for report in judged))} tests, false alarm in {alpha} of clean tables"
        yield tile("Unlike the reference", numbers.count(found), note, "warn" if found else "")
    shown = sum(len(table.facts) for table in examined)
    if shown:
        yield tile("Facts", numbers.count(shown), "found without being told")
