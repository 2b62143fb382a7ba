"""HTML that cannot be broken by what it shows: plain strings are escaped, only `Markup` passes unchanged."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable

_VOID = frozenset({"meta", "br", "hr", "col", "wbr"})
# Control characters and lone surrogates have no place in HTML; bidirectional overrides would reorder a line.
_UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\u202a-\u202e\u2066-\u2069\ufffe\uffff]")


class Markup(str):
    """Text that is HTML already. Made by `element`, `join` and `trusted` alone."""

    __slots__ = ()


Child = str | None | Iterable["Child"]


def printable(text: str) -> str:
    """Replace what cannot be printed by U+FFFD."""
    return _UNPRINTABLE.sub("\ufffd", text)


def trusted(text: str) -> Markup:
    """Declare text as HTML: for our own assets and for pictures, never for what a user named."""
    return Markup(text)


def join(*children: Child) -> Markup:
    """Concatenate children: strings are escaped, `Markup` is kept, None and nested iterables are flattened."""
    return Markup("".join(_pieces(children)))


def element(tag: str, *children: Child, **attributes: str | float | bool | None) -> Markup:
    """Give `<tag attributes>children</tag>`.

    Attribute names lose a trailing underscore and turn the others into hyphens (`class_`, `aria_label`);
    None and False leave the attribute out, True gives it without a value.
    """
    opening = "".join(_attribute(name, value) for name, value in attributes.items())
    if tag in _VOID:
        return Markup(f"<{tag}{opening}>")
    return Markup(f"<{tag}{opening}>{join(*children)}</{tag}>")


def _attribute(name: str, value: str | float | bool | None) -> str:  # noqa: FBT001
    if value is None or value is False:
        return ""
    spelled = name.rstrip("_").replace("_", "-")
    if value is True:
        return f" {spelled}"
    return f' {spelled}="{html.escape(printable(str(value)), quote=True)}"'


def _pieces(children: Iterable[Child]) -> Iterable[str]:
    for child in children:
        if child is None:
            continue
        if isinstance(child, Markup):
            yield child
        elif isinstance(child, str):
            yield html.escape(printable(child), quote=False)
        else:
            yield from _pieces(child)
