"""Colours by meaning, after Okabe and Ito: pictures draw with sentinels, the page decides what a sentinel looks like.

Every sentinel is a hexadecimal colour nobody would choose; `themed` turns it into `var(--meaning)`, whose light, dark
and printed value stands in page.css.

Reference: Okabe and Ito, "Color Universal Design", 2008.
"""

from __future__ import annotations

import re

MEANINGS = (
    "ink",  # text
    "soft",  # secondary text, axis labels
    "line",  # grid
    "card",  # what lies behind a picture
    "model",
    "naive",
    "good",
    "warn",
    "bad",
    "kind-1",  # feature roles and versions: told apart, without a rank
    "kind-2",
    "kind-3",
    "kind-4",
    "kind-5",
    "heat-0",  # heat map, quiet to alarm
    "heat-1",
    "heat-2",
    "heat-3",
    "heat-4",
    "heat-5",
    "heat-ink",  # text on an alarm
)
KINDS = tuple(name for name in MEANINGS if name.startswith("kind-"))

_SENTINEL = {name: f"#fe01{index:02x}" for index, name in enumerate(MEANINGS)}
_MEANING = {sentinel: name for name, sentinel in _SENTINEL.items()}
_ANY = re.compile("#fe01[0-9a-f]{2}")


def sentinel(meaning: str) -> str:
    """Give the colour to draw with for one of `MEANINGS`."""
    return _SENTINEL[meaning]


def themed(svg: str) -> str:
    """Replace every sentinel of a drawing by its CSS variable."""
    return _ANY.sub(lambda match: f"var(--{_MEANING[match.group()]})", svg)
