"""Tables that sort: plain HTML that reads without script; report.js makes the headings buttons."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from headrace.pipeline.report import numbers
from headrace.pipeline.report.markup import Markup, element

_A = TypeVar("_A")
_B = TypeVar("_B")
_OPEN_ROWS = 12
_PROSE_CHARS = 24
SHORT_DIGEST = 12


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell: what is shown, and the number it sorts by where it has one.

    Attributes:
        mark: "good", "warn" or "bad" for a status, "code" for a digest or a name in code.
        title: the whole text where only a part is shown.
    """

    text: str
    sort: float | None = None
    mark: str = ""
    title: str = ""


def table(name: str, title: str, headings: Sequence[str], rows: Sequence[Sequence[Cell]]) -> Markup:
    """Give a table in a box that scrolls sideways by itself and folds when it is long.

    A column is numeric, and aligned as such, where every cell that has a text has a number to sort by.
    """
    numeric = [_is_numeric([row[position] for row in rows]) for position in range(len(headings))]
    head = element(
        "tr",
        (
            element("th", text, scope="col", class_="number" if number else None)
            for text, number in _pairs(headings, numeric)
        ),
    )
    body = (element("tr", (_cell(cell, number=number) for cell, number in _pairs(row, numeric))) for row in rows)
    grid = element("table", element("thead", head), element("tbody", body), data_sortable=True)
    return element(
        "details",
        element("summary", title, " ", element("span", numbers.plural(len(rows), "row"), class_="count")),
        element("div", grid, class_="scroll", tabindex="0", role="region", aria_label=title),
        id=name,
        class_="table",
        open=len(rows) <= _OPEN_ROWS,
    )


def words(text: str, *, mark: str = "") -> Cell:
    """A cell of text."""
    return Cell(text or numbers.MISSING, mark=mark)


def code(text: str) -> Cell:
    """A cell with a name as it is typed."""
    return Cell(text or numbers.MISSING, mark="code")


def digest(text: str) -> Cell:
    """A cell with the first characters of a digest; the whole one is its tooltip."""
    return Cell(text[:SHORT_DIGEST] or numbers.MISSING, mark="code", title=text)


def number(text: str, value: float | None) -> Cell:
    """A cell with a number, sorted by its value."""
    return Cell(text, value if numbers.finite(value) else None)


def status(text: str) -> Cell:
    """A cell with an outcome: a sign and a word, never colour alone."""
    mark = _MARKS.get(text, "")
    return Cell(f"{_SIGNS[mark]} {text}" if mark else text, mark=mark)


_SIGNS = {"good": "\u2713", "warn": "!", "bad": "\u2717"}
_MARKS = {
    "passed": "good",
    "run": "good",
    "quiet": "good",
    "warned": "warn",
    "insufficient": "warn",
    "failed": "bad",
    "drift": "bad",
}


def _pairs(left: Sequence[_A], right: Sequence[_B]) -> list[tuple[_A, _B]]:
    return list(zip(left, right, strict=True))


def _is_numeric(cells: Sequence[Cell]) -> bool:
    return any(cell.sort is not None for cell in cells) and all(
        cell.sort is not None or cell.text == numbers.MISSING for cell in cells
    )


def _cell(cell: Cell, *, number: bool) -> Markup:
    shown = element("code", cell.text) if cell.mark == "code" else cell.text
    if cell.mark in _SIGNS:
        shown = element("span", cell.text, class_=f"status {cell.mark}")
    key = None if cell.sort is None else repr(float(cell.sort))
    kind = "number" if number else "prose" if len(cell.text) > _PROSE_CHARS and cell.mark != "code" else None
    return element("td", shown, class_=kind, data_sort=key, title=cell.title or None)
