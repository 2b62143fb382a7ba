"""Draw an outline: tables on the left, what is done once in the middle, what it gives on the right."""

from __future__ import annotations

from dataclasses import dataclass, field
from html import escape

from headrace.features.planning.outline import Block, Match, Outline

_ROW, _GAP, _BOX, _PAD = 22, 14, 24, 8
_COLUMNS = (20, 200, 520, 760)  # left edges: tables, blocks, extents, statistics
_WIDTHS = (140, 270, 200, 440)
_CHARACTER = 7.3  # of the font, at 12 px
_STYLE = """
svg{font:12px ui-monospace,SFMono-Regular,Menlo,monospace;background:#fff;color:#1b1f24}
text{fill:#1b1f24}.dim{fill:#57606a}.title{font-weight:600;font-size:14px}
rect{fill:#eef4fb;stroke:#0072b2;rx:4}.table rect{fill:#f4f4f4;stroke:#6e7781}.state rect{fill:#e9f6f1;stroke:#009e73}
.plain rect{fill:#fdf3e3;stroke:#b5770b}path{fill:none;stroke:#8c959f;stroke-width:1.2}
@media(prefers-color-scheme:dark){svg{background:#0d1117}text{fill:#e6edf3}.dim{fill:#9198a1}
rect{fill:#0f2233;stroke:#56b4e9}.table rect{fill:#161b22;stroke:#8c959f}.state rect{fill:#0c2a22;stroke:#3fc9a0}
.plain rect{fill:#2d230e;stroke:#e69f00}}
"""


@dataclass
class _Sheet:
    """Shapes drawn so far, and the next free row."""

    shapes: list[str] = field(default_factory=list)
    y: int = 64
    anchors: dict[str, tuple[int, int]] = field(default_factory=dict)

    def box(self, column: int, y: int, text: str, kind: str) -> None:
        x, width = _COLUMNS[column], _WIDTHS[column]
        self.shapes.append(
            f'<g class="{kind}"><rect x="{x}" y="{y}" width="{width}" height="{_BOX}"/>'
            f'<text x="{x + _PAD}" y="{y + 16}">{_fitted(text, width)}</text></g>'
        )

    def line(self, column: int, y: int, text: str, kind: str = "dim") -> None:
        x, width = _COLUMNS[column], _WIDTHS[column]
        self.shapes.append(f'<text class="{kind}" x="{x}" y="{y + 16}">{_fitted(text, width)}</text>')

    def edge(self, start: tuple[int, int], end: tuple[int, int]) -> None:
        (x1, y1), (x2, y2) = start, end
        middle = (x1 + x2) // 2
        self.shapes.append(f'<path d="M{x1} {y1}C{middle} {y1} {middle} {y2} {x2} {y2}"/>')


def outline_svg(outline: Outline) -> str:
    """A self-contained SVG document.

    Complexity: O(size of the outline); one row of the drawing a scan, state, calendar, encoder and expression.
    """
    sheet = _Sheet()
    tables = [*outline.columns]
    for index, table in enumerate(tables):
        y = sheet.y + index * (_BOX + _GAP)
        sheet.box(0, y, table, "table")
        sheet.anchors[table] = (_COLUMNS[0] + _WIDTHS[0], y + _BOX // 2)
    for block in outline.blocks:
        _draw_block(sheet, block)
    for match in outline.matches:
        _draw_match(sheet, match)
    _draw_rest(sheet, outline)
    height = max(sheet.y, 64 + len(tables) * (_BOX + _GAP)) + 20
    width = _COLUMNS[-1] + _WIDTHS[-1] + 20
    sort, bound, scan = (outline.shared[name] for name in ("sorts", "bounds", "scans"))
    title = f"{outline.name}: {sort[1]} window values from {sort[0]} sorts, {bound[0]} bounds and {scan[0]} scans"
    subtitle = f"{outline.n_features} features of {outline.spine} at {outline.at} · plan {outline.digest[:8]}"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'role="img" aria-label="{escape(title, quote=True)}"><style>{_STYLE}</style>'
        f'<text class="title" x="20" y="26">{escape(title)}</text><text class="dim" x="20" y="46">{escape(subtitle)}'
        f"</text>{''.join(sheet.shapes)}</svg>\n"
    )


def _draw_block(sheet: _Sheet, block: Block) -> None:
    top = sheet.y
    key = f"by {', '.join(block.by)}" if block.by else "all events"
    sheet.box(1, top, f"{block.view} {key}", "block")
    if block.where:
        sheet.line(1, top + _BOX, f"where {block.where}")
    sheet.edge(sheet.anchors[block.table], (_COLUMNS[1], top + _BOX // 2))
    y = top
    for extent in block.extents:
        sheet.box(2, y, extent.label, "block")
        sheet.edge((_COLUMNS[1] + _WIDTHS[1], top + _BOX // 2), (_COLUMNS[2], y + _BOX // 2))
        for scan in extent.scans:
            sheet.line(3, y, f"{scan.reads}: {', '.join(scan.statistics)}", "")
            y += _ROW
        y += _PAD
    sheet.y = max(y, top + _BOX + (_ROW if block.where else 0)) + _GAP


def _draw_match(sheet: _Sheet, match: Match) -> None:
    sheet.box(1, sheet.y, f"{match.view} on {', '.join(match.on)}", "state")
    sheet.edge(sheet.anchors[match.table], (_COLUMNS[1], sheet.y + _BOX // 2))
    sheet.line(3, sheet.y, ", ".join(match.columns), "")
    sheet.y += _BOX + _GAP


def _draw_rest(sheet: _Sheet, outline: Outline) -> None:
    rest = [(f"calendar of {place}", ", ".join(fields)) for place, fields in outline.calendars.items()]
    encoded = {name: f"{count} column{'s' if count > 1 else ''}" for name, count in outline.encoders.items()}
    rest += [(f"encoder {name}", columns) for name, columns in encoded.items()]
    rest += [("expression", name) for name in outline.expressions]
    for title, what in rest:
        sheet.box(1, sheet.y, title, "plain")
        sheet.line(3, sheet.y, what, "")
        sheet.y += _BOX + _PAD


def _fitted(text: str, width: int) -> str:
    """The text, cut to what the width holds; the whole of it as a tooltip."""
    room = int((width - 2 * _PAD) / _CHARACTER)
    if len(text) <= room:
        return escape(text)
    return f"{escape(text[: room - 1])}…<title>{escape(text)}</title>"
