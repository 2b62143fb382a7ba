"""The tables of the page: checks, findings, facts, groups; the numbers behind the pictures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from headrace.pipeline.report import numbers
from headrace.pipeline.report.examined.differences import size_of
from headrace.pipeline.report.markup import Markup
from headrace.pipeline.report.model import Estimate
from headrace.pipeline.report.tables import code, number, status, table, words
from headrace.validation.examination import Examination

_ORDER = ("failed", "warned", "passed")
_ROWS_SHOWN = 50


def tables(examined: Sequence[Examination]) -> Iterator[Markup]:
    """Give every table that has rows."""
    findings = [
        [
            code(t.name),
            code(f.column),
            words(f.kind.replace("_", " ")),
            number(f"\u00d7{numbers.compact(f.effect)}", size_of(f)),
            words(f.message),
        ]
        for t in examined
        for f in t.findings
    ]
    if findings:
        yield table("t-findings", "Findings", ("table", "column", "kind", "times its limit", "what"), findings)
    facts = [
        [code(t.name), code(f.column), words(f.kind.replace("_", " ")), words(f.message)]
        for t in examined
        for f in t.facts
    ]
    if facts:
        yield table("t-facts", "Facts", ("table", "column", "kind", "what"), facts)
    checks = sorted(
        ((t.name, check) for t in examined for check in t.checks), key=lambda pair: _ORDER.index(pair[1].status)
    )
    if checks:
        rows = [
            [
                code(name),
                code(check.column),
                words(check.name),
                status(check.status),
                number(numbers.count(check.rows), check.rows),
                words(check.detail),
            ]
            for name, check in checks
        ]
        yield table("t-checks", "Checks", ("table", "column", "check", "outcome", "rows", "detail"), rows)
    yield from _rejected(examined)
    yield from _groups(examined)


def _rejected(examined: Sequence[Examination]) -> Iterator[Markup]:
    for one in examined:
        if one.report is None or not one.report.rejected.num_rows:
            continue
        first = one.report.rejected.slice(0, _ROWS_SHOWN)
        shown = [name for name in ("source_file", "line_number", "reason") if name in first.column_names]
        keys = [name for name in first.column_names if name not in shown][:5]
        rows = [
            [words("" if row[name] is None else str(row[name])) for name in (*shown, *keys)]
            for row in first.to_pylist()
        ]
        title = f"Rows of {one.name} that were set aside, the first {len(rows)} of {one.report.rejected.num_rows:,}"
        yield table(f"t-rejected-{one.name}", title, (*shown, *keys), rows)


def _groups(examined: Sequence[Examination]) -> Iterator[Markup]:
    rows = [
        [
            code(one.name),
            code(found.column),
            words(group.name),
            number(numbers.count(group.rows), group.rows),
            number(numbers.percent_interval(Estimate(group.share, group.share_low, group.share_high)), group.share),
            number(
                numbers.percent_interval(Estimate(group.rate, group.rate_low, group.rate_high))
                if group.rate is not None
                else numbers.MISSING,
                group.rate,
            ),
            number(
                numbers.change_interval(Estimate(group.difference, group.difference_low, group.difference_high))
                if group.difference is not None
                else numbers.MISSING,
                group.difference,
            ),
            words("too few rows" if group.small else ""),
        ]
        for one in examined
        for found in one.groups
        for group in found.groups
    ]
    if rows:
        headings = (
            "table",
            "column",
            "group",
            "rows",
            "share, 95\u00a0%",
            "outcome rate, 95\u00a0%",
            "less the others, 95\u00a0%",
            "note",
        )
        yield table("t-groups", "Groups", headings, rows)
