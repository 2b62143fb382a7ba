"""Checks by table, rows by day, missing values: what every table has."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from typing import TYPE_CHECKING

from headrace.pipeline.report import numbers
from headrace.pipeline.report.markup import Markup
from headrace.pipeline.report.model import ValidationCheck
from headrace.pipeline.report.palette import sentinel
from headrace.pipeline.report.pictures import run
from headrace.pipeline.report.pictures.canvas import Caption, Screen, clipped, picture, rows_axis
from headrace.pipeline.report.pictures.marks import Look, note, ticks
from headrace.validation.examination import Examination
from headrace.validation.findings import Finding

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_FEWEST_DAYS = 7
_SETS_SHOWN = 14


def pictures(examined: Sequence[Examination]) -> Iterator[Markup]:
    """Checks by table and outcome."""
    checks = tuple(
        ValidationCheck(table.name, check.column, check.name, check.status, check.detail, check.rows)
        for table in examined
        for check in table.checks
    )
    if checks:
        yield run.checks(checks)


def facts(examined: Sequence[Examination]) -> Iterator[Markup]:
    """Missing values and rows by day of each table."""
    for table in examined:
        missing = [fact for fact in table.facts if fact.kind in {"missing", "missing_together"}]
        if missing:
            yield _missing(table, missing)
        if len(table.days) >= _FEWEST_DAYS:
            yield _days(table)


def _missing(table: Examination, found: list[Finding]) -> Markup:
    shown = found[:_SETS_SHOWN]
    shares = [fact.evidence["rows"] / fact.evidence["total"] for fact in shown]

    def paint(figure: Figure, screen: Screen) -> None:
        axes = figure.add_subplot()
        rows_axis(axes, [clipped(fact.column, 18 if screen.narrow else 32) for fact in shown])
        axes.barh(range(len(shown)), shares, 0.62, color=sentinel("naive"))
        for row, (fact, share) in enumerate(zip(shown, shares, strict=True)):
            words = numbers.count(fact.evidence["rows"]) + ("" if screen.narrow else f", {numbers.percent(share, 2)}")
            note(axes, words, (share, row), shift=(5, 0))
        axes.set_xlim(0, max(shares) * (1.45 if screen.narrow else 1.35))
        axes.xaxis.set_major_formatter(lambda value, _position: numbers.percent(value, 0 if max(shares) > 0.1 else 1))
        ticks(axes.xaxis, 4)
        axes.set_xlabel("rows without a value")
        axes.spines.bottom.set_visible(False)

    first = max(found, key=lambda fact: int(fact.evidence["rows"]))
    count = int(first.evidence["rows"])
    title = f"{table.name}: {numbers.plural(count, 'row')} {'misses' if count == 1 else 'miss'} {_named(first)}"
    text = "Each bar is one set of rows; columns that miss exactly the same rows share a bar. "
    inner = [fact for fact in found if fact.evidence["within"]]
    told = "; ".join(
        f"all {numbers.plural(fact.evidence['rows'], 'row')} without {_named(fact)} lack {fact.evidence['within'][0]}"
        for fact in inner[:3]
    )
    text += f"{told[0].upper()}{told[1:]}." if told else ""
    alt = "; ".join(fact.message for fact in shown)
    return picture(f"p-missing-{table.name}", Caption(title, text, alt), paint, full=True, height=70 + 24 * len(shown))


def _named(fact: Finding) -> str:
    columns = fact.evidence["columns"]
    if len(columns) == 1:
        return str(columns[0])
    return (
        f"{columns[0]} and {columns[1]}" if len(columns) == 2 else f"{columns[0]} and {len(columns) - 1} other columns"
    )


def _days(table: Examination) -> Markup:
    days = [date.fromisoformat(day) for day, _ in table.days]
    rows = [count for _, count in table.days]
    marks = [
        (date.fromisoformat(str(change["at"])[:10]), str(change["local"]))
        for fact in table.facts
        if fact.kind == "local_clock"
        for change in fact.evidence["changes"][:4]
    ]
    marks = sorted(set(marks))

    def paint(figure: Figure, screen: Screen) -> None:
        from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

        axes = figure.add_subplot()
        axes.bar(days, rows, 1.0, color=sentinel("model"), alpha=0.85, align="edge")  # type: ignore[arg-type]
        top = max(rows) * 1.18
        for day, _ in marks:
            axes.axvline(day, color=sentinel("warn"), linewidth=1.4)  # type: ignore[arg-type]
            if not screen.narrow:
                note(axes, "clocks changed", (day, top * 0.97), Look("warn", va="top", size=9.5), shift=(4, 0))  # type: ignore[arg-type]
        locator = AutoDateLocator(maxticks=6 if screen.narrow else 9)  # type: ignore[no-untyped-call]
        axes.xaxis.set_major_locator(locator)
        axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]
        axes.set_ylim(0, top)
        axes.margins(x=0)
        axes.set_ylabel("rows a day")
        ticks(axes.yaxis, 4)

    least = min(range(1, len(rows) - 1), key=rows.__getitem__)
    empty = sum(count == 0 for count in rows)
    title = f"{table.name}: {numbers.count(sum(rows))} rows over {numbers.plural(len(rows), 'day')}"
    title += (
        f", {numbers.plural(empty, 'day')} without any"
        if empty
        else f", fewest on {days[least].isoformat()} ({numbers.count(rows[least])})"
    )
    text = f"Rows by UTC day of {table.time_column}."
    text += f" Marked: {'; '.join(words for _, words in marks)}." if marks else ""
    alt = f"From {days[0].isoformat()} to {days[-1].isoformat()}, between {min(rows)} and {max(rows)} rows a day."
    return picture(f"p-days-{table.name}", Caption(title, text, alt), paint, full=True, height=220)
