"""What every page of ours stands in: style and script in the file, contents, sections; nothing is loaded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources

from headrace.pipeline.report.markup import Child, Markup, element, trusted

# Nothing may be loaded, whatever a name in the page holds.
_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
)


@dataclass(frozen=True, slots=True)
class Section:
    """A heading of the page and what stands under it."""

    name: str
    heading: str
    body: tuple[Markup, ...]


def document(title: str, header: Markup, shown: Sequence[Section]) -> str:
    """Give a whole page: one file, complete in itself. Equal parts give equal text.

    Args:
        title: of the browser's tab.
        header: the `<header>`, see `heading`.
        shown: sections in their order; those called `tables` and `reproduce` are as wide as the page.
    """
    body = element(
        "body",
        element("a", "Skip to the findings", href="#main", class_="skip"),
        header,
        element(
            "div", _contents(shown), element("main", (_section(part) for part in shown), id="main"), class_="columns"
        ),
        element("footer", "One file, complete in itself: it loads nothing and sends nothing."),
        element("script", _asset("report.js")),
    )
    return f"<!doctype html>\n{element('html', _head(title), body, lang='en')}\n"


def header(facts: Child, standing: Child, sentence: str, *below: Child) -> Markup:
    """Give the top of a page: what it is about, the verdict's badge where there is one, the finding in one sentence."""
    return element(
        "header",
        element("p", element("strong", "headrace", class_="brand"), facts, class_="run-line"),
        standing,
        element("h1", sentence),
        *below,
    )


def _head(title: str) -> Markup:
    return element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        element("meta", name="color-scheme", content="light dark"),
        element("meta", name="referrer", content="no-referrer"),
        element("title", title),
        element("style", _asset("report.css")),
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


def _asset(name: str) -> Markup:
    return trusted(resources.files(__package__).joinpath("assets", name).read_text(encoding="utf-8"))
