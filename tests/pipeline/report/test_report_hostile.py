"""Names come from users: nothing they hold becomes markup, a formula, a reference or an error."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace
from html.parser import HTMLParser
from itertools import cycle
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.pipeline.report import RunReport
from headrace.pipeline.report.markup import Markup, element, join
from headrace.pipeline.report.page import render
from headrace.pipeline.report.pictures.canvas import Screen, clipped, drawing

HOSTILE = [
    "</title><script>alert(1)</script>",
    "\"><img src=x onerror='alert(1)'>",
    "</text></svg><script>alert(2)</script>",
    "--><b>comment</b><!--",
    "$\\frac{1}{0}$ $unclosed",
    'url(#x) id="y" href="#z" font: 12px \'Evil\' #fe0100 0.123456',
    "\u6e05\u6d41 \u0646\u0647\u0631 \U0001f30a",
    "null\x00byte\x1b[31m \ud800 \u202egnp.exe",
    "a" * 400,
    "",
]


def poisoned(value: Any, texts: Iterator[str]) -> Any:
    """Replace every free text of a report by the next of `texts`; words that steer (Literal) are kept."""
    if isinstance(value, str):
        return next(texts)
    if isinstance(value, tuple):
        return tuple(poisoned(part, texts) for part in value)
    if is_dataclass(value) and not isinstance(value, type):
        steering = {"status", "verdict", "outcome", "direction"}
        changed = {
            field.name: poisoned(getattr(value, field.name), texts)
            for field in fields(value)
            if field.name not in steering
        }
        return replace(value, **changed)
    return value


class Tags(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.seen: list[str] = []
        self.handlers: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        self.handlers += [name for name, _ in attrs if name.startswith("on")]


@pytest.mark.slow
@pytest.mark.parametrize("texts", [HOSTILE, [*HOSTILE[3:], *HOSTILE[:3]], HOSTILE[6:9]], ids=("all", "shifted", "odd"))
def test_hostile_text_stays_text(report: RunReport, texts: list[str]) -> None:
    page = render(poisoned(report, cycle(texts)))
    page.encode("utf-8")
    tags = Tags(page)
    assert tags.seen.count("script") == 1
    assert not {"img", "b"} & set(tags.seen)
    assert tags.handlers == []
    assert not re.search("[\x00-\x08\x0b-\x1f\u202e]", page)


def test_hostile_text_is_shown_as_it_is() -> None:
    small = RunReport(project="<b>&amp;", model="m", question="a < b & c > d", digest="'\"")
    page = render(small)
    assert "&lt;b&gt;&amp;amp;" in page
    assert "a &lt; b &amp; c &gt; d" in page


@given(st.text(max_size=60))
def test_element_escapes_children_and_attributes(text: str) -> None:
    class Back(HTMLParser):
        data = ""
        title: str | None = None

        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            assert tag == "p"
            self.title = dict(attrs)["title"]

        def handle_data(self, data: str) -> None:
            self.data += data

    back = Back()
    back.feed(element("p", text, title=text))
    back.close()
    shown = join(text).replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
    assert back.data == shown
    assert back.title == shown


def test_markup_passes_and_none_vanishes() -> None:
    inner = element("i", "x")
    assert isinstance(inner, Markup)
    assert (
        element("p", None, [inner, ["<", None]], hidden=True, id=None, data_n=3)
        == '<p hidden data-n="3"><i>x</i>&lt;</p>'
    )
    assert element("meta", charset="utf-8") == '<meta charset="utf-8">'


@settings(max_examples=12, deadline=None)
@given(st.text(max_size=30))
def test_labels_survive_the_drawing_unchanged(text: str) -> None:
    """Rewriting ids, fonts and colours touches tags alone."""

    def paint(figure: Any, _screen: Screen) -> None:
        axes = figure.add_subplot()
        axes.set_title(f"<{clipped(text, 40)} 0.123456 #fe0100 url(#a) $x$>")

    svg = drawing("p", paint, (200, 100), label=text)
    assert " 0.123456 #fe0100 url(#a) $x$&gt;" in svg


@given(st.text(max_size=200), st.integers(min_value=3, max_value=60))
def test_clipped_keeps_both_ends(text: str, limit: int) -> None:
    short = clipped(text, limit)
    assert len(short) <= limit
    assert "\n" not in short
