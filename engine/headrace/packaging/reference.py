"""How people name a registered model: `late` (its champion), `late@2` (a version), `late@challenger` (an alias)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from headrace.core.errors import InvalidInputError

CHAMPION = "champion"
_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,63}")


@dataclass(frozen=True)
class Reference:
    """A parsed reference: exactly one of `alias` and `version` is set."""

    name: str
    alias: str | None = None
    version: int | None = None

    def __str__(self) -> str:
        return f"{self.name}@{self.version if self.alias is None else self.alias}"

    @classmethod
    def parse(cls, text: str) -> Reference:
        """Read `name`, `name@version` or `name@alias`.

        Raises:
            InvalidInputError: the text is none of these.
        """
        name, mark, selector = text.partition("@")
        check_name("model name", name)
        if not mark:
            return cls(name, alias=CHAMPION)
        if selector.isascii() and selector.isdigit() and int(selector) >= 1:
            return cls(name, version=int(selector))
        check_alias(selector)
        return cls(name, alias=selector)


def check_name(what: str, name: str) -> None:
    """Allow 1 to 64 characters of a-z, 0-9, `_`, `.`, `-`, starting with a letter or digit.

    Raises:
        InvalidInputError: the name is something else.
    """
    if not _NAME.fullmatch(name):
        raise InvalidInputError(
            f"{what} '{name}' is not allowed: use 1 to 64 of a-z, 0-9, '_', '.', '-', starting with a letter or digit"
        )


def check_alias(alias: str) -> None:
    """Allow a name that cannot be mistaken for a version.

    Raises:
        InvalidInputError: the alias is no name, or a number.
    """
    check_name("alias", alias)
    if alias.isdigit():
        raise InvalidInputError(f"alias '{alias}' is not allowed: versions are numbers from 1, aliases are words")
