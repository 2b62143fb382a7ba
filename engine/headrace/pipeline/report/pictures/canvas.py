"""One picture: drawn with matplotlib twice, for a wide screen and for a phone, as inline SVG that follows the theme.

Text stays text (`svg.fonttype: none`) and takes the page's font. Equal input gives equal bytes: ids are salted with the
picture's name, no time and no version is written. Sizes are CSS pixels at scale 1, so a font size of 11 is 11 px.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from io import StringIO
from typing import TYPE_CHECKING, Any

from headrace.pipeline.report.markup import Markup, element, printable, trusted
from headrace.pipeline.report.palette import sentinel, themed

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

NARROW_PX = 340
HALF_PX = 430
FULL_PX = 900


class Screen(Enum):
    """Which of the two drawings is being made."""

    WIDE = "wide"
    NARROW = "narrow"

    @property
    def narrow(self) -> bool:
        """Whether this is the phone's."""
        return self is Screen.NARROW


Paint = Callable[["Figure", Screen], None]
"""Draws onto an empty figure."""

_JUNK = re.compile(
    r"<\?xml.*?\?>|<!DOCTYPE.*?>|<!--.*?-->|<metadata>.*?</metadata>"
    r"|<defs>\s*<style type=\"text/css\">.*?</style>\s*</defs>",
    re.DOTALL,
)
_OPENING = re.compile(r"<svg [^>]*?viewBox=\"([^\"]*)\"[^>]*>", re.DOTALL)
_FONT = re.compile(r"font: ((?:bold |[1-9]00 )?)([0-9.]+)px [^;\"]*")
_REFERENCE = re.compile(r"\bid=\"|url\(#|href=\"#")
_GROUP_NAME = re.compile(r"^<g id=\"[^\"]*\"")
_TAG = re.compile(r"<[^>]*>", re.DOTALL)
_BREAKS = re.compile(r"\s*\n\s*")
_DIGITS = re.compile(r"(\d+\.\d{2})\d+")


@dataclass(frozen=True, slots=True)
class Caption:
    """What stands around a picture.

    Attributes:
        title: the finding, computed from the numbers.
        text: what is shown, with units and counts.
        alt: the same for people who cannot see it; the title is put before it.
        legend: what the colours mean, where the picture does not say it.
    """

    title: str
    text: str
    alt: str
    legend: Markup | None = None


def picture(
    name: str, caption: Caption, paint: Paint, *, full: bool = False, height: int = 300, narrow: int = 0
) -> Markup:
    """Draw a picture in both widths and put its title and caption around it.

    Args:
        name: unique in the page, a valid id.
        caption: its words.
        paint: draws it.
        full: as wide as the page, not half of it.
        height: CSS pixels of the wide drawing.
        narrow: CSS pixels in height of the narrow drawing; 0 for the same height.
    """
    label = f"{caption.title}. {caption.alt}"
    wide = drawing(f"{name}-w", paint, (FULL_PX if full else HALF_PX, height), label=label)
    small = drawing(f"{name}-n", paint, (NARROW_PX, narrow or height), label=label, screen=Screen.NARROW)
    return element(
        "figure",
        element("h3", caption.title),
        element("div", wide, class_="on-wide"),
        element("div", small, class_="on-narrow"),
        caption.legend,
        element("figcaption", caption.text),
        id=name,
        class_="picture full" if full else "picture",
    )


def drawing(name: str, paint: Paint, size: tuple[int, int], *, label: str, screen: Screen = Screen.WIDE) -> Markup:
    """Draw one SVG of `size` (width, height in CSS pixels); `label` is read out in its place."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context(rc=_style() | {"svg.hashsalt": name}), warnings.catch_warnings():
        # The page's own font draws the text: a glyph that the measuring font lacks is no news.
        warnings.filterwarnings("ignore", message="Glyph .* missing")
        warnings.filterwarnings("ignore", message="constrained_layout not applied")
        figure = Figure(figsize=(size[0] / 72, size[1] / 72), layout="constrained")
        paint(figure, screen)
        out = StringIO()
        figure.savefig(out, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    return trusted(_inline(out.getvalue(), name, label))


def clipped(text: str, limit: int) -> str:
    """Shorten a label in its middle, where feature names differ least."""
    text = " ".join(printable(text).split())
    if len(text) <= limit:
        return text
    tail = (limit - 1) // 2
    return f"{text[: limit - 1 - tail]}\u2026{text[len(text) - tail :]}"


def rows_axis(axes: Axes, labels: list[str]) -> None:
    """Turn the y axis into a list of names, first on top."""
    axes.set_yticks(range(len(labels)), labels)
    axes.set_ylim(len(labels) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0, labelcolor=sentinel("ink"))
    axes.grid(visible=False, axis="y")


def _inline(svg: str, name: str, label: str) -> str:
    body = _JUNK.sub("", svg)
    opening = _OPENING.search(body)
    assert opening is not None, "matplotlib's SVG opens with a viewBox"
    frame = element("svg", viewBox=opening.group(1), role="img", aria_label=label, class_="plot")
    # Only tags are rewritten: a label may hold anything, and keeps it.
    rest = _TAG.sub(lambda match: _rewritten(match.group(), name), body[opening.end() :])
    return _BREAKS.sub("\n", frame.removesuffix("</svg>") + rest).strip()


def _rewritten(tag: str, name: str) -> str:
    tag = _GROUP_NAME.sub("<g", tag)
    tag = tag.replace("xlink:href", "href")
    tag = _REFERENCE.sub(lambda match: f"{match.group()}{name}-", tag)
    tag = _FONT.sub(_font, tag)
    return themed(_DIGITS.sub(r"\1", tag))


def _font(match: re.Match[str]) -> str:
    weight = f"font-weight: {match.group(1).strip()}; " if match.group(1) else ""
    return f"{weight}font-size: {match.group(2)}px"


def _style() -> Any:
    ink, soft, line = sentinel("ink"), sentinel("soft"), sentinel("line")
    return {
        "svg.fonttype": "none",
        "text.parse_math": False,
        "axes.unicode_minus": True,
        "font.family": ["DejaVu Sans"],
        "font.size": 11,
        "axes.labelsize": 11,
        "xtick.labelsize": 10.5,
        "ytick.labelsize": 10.5,
        "legend.fontsize": 10.5,
        "text.color": ink,
        "axes.labelcolor": soft,
        "xtick.color": soft,
        "ytick.color": soft,
        "axes.edgecolor": line,
        "axes.facecolor": "none",
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.spines.left": False,
        "axes.grid": True,
        "axes.axisbelow": True,
        "grid.color": line,
        "grid.linewidth": 0.8,
        "xtick.major.size": 0,
        "ytick.major.size": 0,
        "xtick.minor.size": 0,
        "ytick.minor.size": 0,
        "lines.linewidth": 2,
        "lines.solid_capstyle": "round",
        "patch.linewidth": 0,
        "legend.frameon": False,
        "figure.constrained_layout.h_pad": 3 / 72,
        "figure.constrained_layout.w_pad": 3 / 72,
    }
