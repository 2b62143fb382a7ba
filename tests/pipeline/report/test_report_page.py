"""The whole page: complete, self-contained, readable, the same bytes every time."""

from __future__ import annotations

import html
import re
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from headrace.pipeline.report import RunReport, write_report
from headrace.pipeline.report.page import render

PICTURES = {
    "p-stages",
    "p-checks",
    "p-roc",
    "p-calibration",
    "p-scores",
    "p-gates",
    "p-slices",
    "p-windows",
    "p-learning",
    "p-importance",
    "p-exactness",
    "p-latency",
    "p-release",
    "p-canary",
    "p-drift",
    "p-monitored",
    "p-retraining",
    "p-decisions",
    "p-fairness-0",
    "p-weak",
    "p-robustness",
    "p-folds",
    "p-overconfident",
    "p-effects",
    "p-data-curve",
    "p-months",
}
SECTIONS = ["run", "data", "quality", "learned", "serving", "release", "monitoring", "tables", "reproduce"]
TABLES = {
    "t-stages",
    "t-tables",
    "t-columns",
    "t-checks",
    "t-scorers",
    "t-slices",
    "t-gates",
    "t-decisions",
    "t-fairness-0",
    "t-weak",
    "t-robustness",
    "t-features",
    "t-ledger",
    "t-drift",
    "t-performance",
    "t-files",
}


class Outline(HTMLParser):
    """Collects ids, headings, pictures and attributes, and checks that every element is closed."""

    VOID = frozenset({"meta", "br", "hr", "col", "wbr", "link", "img", "input"})

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.ids: list[str] = []
        self.sections: list[str] = []
        self.figures: list[dict[str, str | None]] = []
        self.svgs: list[dict[str, str | None]] = []
        self.scripts: list[dict[str, str | None]] = []
        self.references: list[str] = []
        self.texts: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._note(tag, dict(attrs))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._note(tag, dict(attrs))

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not self.open or self.open[-1] not in {"style", "script"}:
            self.texts.append(data)

    def _note(self, tag: str, attributes: dict[str, str | None]) -> None:
        if "id" in attributes:
            self.ids.append(attributes["id"] or "")
        self.references += [
            attributes[name] or "" for name in ("href", "src", "xlink:href", "action") if name in attributes
        ]
        if tag == "section" and "id" in attributes:
            self.sections.append(attributes["id"] or "")
        {"figure": self.figures, "svg": self.svgs, "script": self.scripts}.get(tag, []).append(attributes)


@pytest.fixture(scope="module")
def outline(page: str) -> Outline:
    return Outline(page)


def test_page_is_well_formed(outline: Outline) -> None:
    assert outline.open == []
    assert len(outline.ids) == len(set(outline.ids)), "an id is used twice"


def test_page_shows_every_section_picture_and_table(outline: Outline) -> None:
    assert outline.sections == SECTIONS
    assert set(outline.ids) >= PICTURES | TABLES


def test_page_loads_nothing(page: str, outline: Outline) -> None:
    """No address, no import, no reference but into the page itself, and a policy that forbids any."""
    assert not re.search(r"(?:https?:)?//[a-z]", page, re.IGNORECASE)
    assert "@import" not in page
    assert all(reference.startswith("#") for reference in outline.references)
    assert all("src" not in script for script in outline.scripts)
    assert set(re.findall(r"url\(([^)])", page)) == {"#"}
    assert "default-src 'none'" in html.unescape(page)


def test_every_reference_has_its_target(page: str, outline: Outline) -> None:
    inside = {reference.removeprefix("#") for reference in outline.references}
    inside |= set(re.findall(r"url\(#([^)]+)\)", page))
    assert inside <= set(outline.ids)


def test_every_picture_has_a_title_and_words_for_who_cannot_see_it(page: str, outline: Outline) -> None:
    assert all(len(svg.get("aria-label") or "") > 40 and svg.get("role") == "img" for svg in outline.svgs)
    for figure in re.findall(r"<figure.*?</figure>", page, re.DOTALL):
        assert re.search(r"<h3>[^<]{8,}</h3>", figure)
        assert "<figcaption>" in figure


def test_pictures_follow_the_theme(page: str) -> None:
    """No drawing has a colour of its own: every one is a CSS variable that both themes define."""
    drawings = "".join(re.findall(r"<svg.*?</svg>", page, re.DOTALL))
    assert not re.search(r"#[0-9a-f]{6}\b", drawings, re.IGNORECASE)
    assert "#fe01" not in page
    used = set(re.findall(r"var\(--([a-z0-9-]+)\)", drawings))
    style = re.search(r"<style>(.*?)</style>", page, re.DOTALL)
    assert style is not None
    light, dark = style.group(1).split("prefers-color-scheme: dark", 1)
    assert used
    assert all(f"--{name}:" in light and f"--{name}:" in dark for name in used)


def test_text_of_pictures_stays_text(page: str) -> None:
    drawings = re.findall(r"<svg.*?</svg>", page, re.DOTALL)
    assert all("<text" in drawing for drawing in drawings)


def test_no_time_and_no_version_of_the_drawing_program_is_written(page: str) -> None:
    assert "<metadata" not in page
    assert "matplotlib" not in page.lower()


def test_equal_reports_give_equal_bytes(report: RunReport, page: str) -> None:
    assert render(RunReport.from_json(report.to_json())) == page


@pytest.mark.slow
def test_another_process_gives_the_same_bytes(report: RunReport, page: str, tmp_path: Path) -> None:
    stored = tmp_path / "report.json"
    stored.write_text(report.to_json(), encoding="utf-8")
    program = (
        "import sys; from pathlib import Path; from headrace.pipeline.report import RunReport, write_report;"
        "write_report(Path(sys.argv[2]), RunReport.from_json(Path(sys.argv[1]).read_text(encoding='utf-8')))"
    )
    target = tmp_path / "report.html"
    environment = {"PYTHONHASHSEED": "7", "MPLCONFIGDIR": str(tmp_path), "LANG": "C"}
    subprocess.run([sys.executable, "-c", program, stored, target], check=True, env=environment)
    assert target.read_text(encoding="utf-8") == page


def test_write_report_replaces_the_file_whole(report: RunReport, tmp_path: Path) -> None:
    target = tmp_path / "deep" / "report.html"
    small = RunReport(project="p", model="m 1", question="q?", digest="d" * 64)
    write_report(target, small)
    first = target.read_bytes()
    write_report(target, replace(small, model="m 2"))
    assert first != target.read_bytes()
    assert [path.name for path in target.parent.iterdir()] == ["report.html"]


def test_importing_the_report_leaves_matplotlib_alone() -> None:
    program = "import sys, headrace.pipeline.report; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_page_fits_a_phone(page: str) -> None:
    """The viewport is the device's, every picture has a narrow drawing, and only tables may scroll sideways."""
    assert 'content="width=device-width, initial-scale=1"' in page
    assert page.count('class="on-wide"') == page.count('class="on-narrow"') == len(PICTURES)
    assert len(re.findall(r"<table", page)) == page.count('<div class="scroll"')


def test_tables_sort_by_number_where_numbers_are(page: str) -> None:
    cells = re.findall(r'data-sort="([^"]+)"', page)
    assert len(cells) > 100
    assert all(float(cell) == float(cell) for cell in cells)
