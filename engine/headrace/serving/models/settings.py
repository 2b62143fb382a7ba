"""A plain model's own settings, `model.toml` or `model.json` beside its versions: docs/formats/model-repository.md."""

from __future__ import annotations

import dataclasses
import json
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, get_args, get_type_hints

from headrace.core.errors import InvalidInputError, UnavailableError, did_you_mean
from headrace.serving.config import BatchingConfig

SETTINGS_FILES = ("model.toml", "model.json")
_KEYS = ("versions", "batching")


@dataclasses.dataclass(frozen=True)
class VersionPolicy:
    """Which of the versions that are there shall be loaded.

    Attributes:
        latest: so many of the highest numbers; None: no such bound.
        listed: these numbers alone; empty: any.
    """

    latest: int | None = 1
    listed: tuple[int, ...] = ()

    def choose(self, available: Iterable[int]) -> tuple[int, ...]:
        """Versions to load, the highest first."""
        numbers = sorted((number for number in available if not self.listed or number in self.listed), reverse=True)
        return tuple(numbers[: self.latest])


@dataclasses.dataclass(frozen=True)
class ModelSettings:
    """What a settings file says.

    Attributes:
        versions: which versions to load.
        batching: settings of `BatchingConfig` that the model has of its own.
    """

    versions: VersionPolicy = VersionPolicy()
    batching: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def over(self, batching: BatchingConfig) -> BatchingConfig:
        """The server's bounds with the model's own in their place.

        Raises:
            InvalidInputError: a value is out of its range.
        """
        return dataclasses.replace(batching, **self.batching) if self.batching else batching


def read_settings(folder: Path) -> ModelSettings:
    """Read the settings of the model in a folder; the defaults where there is no file.

    Raises:
        InvalidInputError: the file does not parse, names something unknown, or there are two.
        UnavailableError: it cannot be read.
    """
    present = [folder / name for name in SETTINGS_FILES if (folder / name).is_file()]
    if not present:
        return ModelSettings()
    if len(present) > 1:
        raise InvalidInputError(f"{folder} has {' and '.join(SETTINGS_FILES)}; keep one of them")
    file = present[0]
    try:
        text = file.read_text()
        content = tomllib.loads(text) if file.suffix == ".toml" else json.loads(text)
    except OSError as error:
        raise UnavailableError(f"{file} cannot be read: {error.strerror}") from error
    except ValueError as error:  # both parsers' errors, and text that is not UTF-8
        raise InvalidInputError(f"{file} is not valid {file.suffix[1:].upper()}: {error}") from error
    return parse_settings(content, place=str(file))


def parse_settings(content: Any, *, place: str) -> ModelSettings:
    """Check what a settings file holds.

    Args:
        content: the parsed document.
        place: where it stands, for messages.

    Raises:
        InvalidInputError: it is no table, names something unknown, or a value is not what is allowed.
    """
    table = _table(content, place, _KEYS)
    policy = _policy(table["versions"], f"{place}: versions") if "versions" in table else VersionPolicy()
    hints = {name: hint for name, hint in get_type_hints(BatchingConfig).items() if _is_plain(hint)}
    given = _table(table.get("batching", {}), f"{place}: batching", hints)
    for name, value in given.items():
        _check(value, hints[name], f"{place}: batching.{name}")
    settings = ModelSettings(policy, given)
    try:
        settings.over(BatchingConfig())
    except InvalidInputError as error:
        raise InvalidInputError(f"{place}: batching: {error.message}") from error
    return settings


def _policy(value: Any, place: str) -> VersionPolicy:
    if value == "all":
        return VersionPolicy(latest=None)
    if isinstance(value, list) and value and all(_is_number(number) for number in value):
        return VersionPolicy(latest=None, listed=tuple(value))
    if isinstance(value, dict):
        latest = _table(value, place, ("latest",)).get("latest")
        if _is_number(latest):
            return VersionPolicy(latest=latest)
    raise InvalidInputError(f"{place} is {value!r}; allowed: 'all', {{latest = N}} or a list of numbers from 1")


def _table(content: Any, place: str, known: Iterable[str]) -> dict[str, Any]:
    if not isinstance(content, dict):
        raise InvalidInputError(f"{place} is {type(content).__name__}, expected a table")
    names = tuple(known)
    for key in content:
        if key not in names:
            near = did_you_mean(key, names)
            raise InvalidInputError(f"{place}: '{key}' is unknown; known: {', '.join(names)}", hint=near)
    return content


def _check(value: Any, hint: Any, place: str) -> None:
    allowed = get_args(hint) or (hint,)
    fits = type(value) in allowed or (type(value) is int and float in allowed)
    if not fits:
        names = " or ".join(
            "a number" if kind is float else kind.__name__ for kind in allowed if kind is not type(None)
        )
        raise InvalidInputError(f"{place} is {value!r}, expected {names}")


def _is_number(value: Any) -> bool:
    return type(value) is int and value >= 1


def _is_plain(hint: Any) -> bool:
    return all(kind in (bool, int, float, str, type(None)) for kind in get_args(hint) or (hint,))
