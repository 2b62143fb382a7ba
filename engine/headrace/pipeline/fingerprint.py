"""Fingerprints of definitions and code: how a run knows that a stage's inputs did not change."""

from __future__ import annotations

import dataclasses
import importlib.metadata
import importlib.util
import inspect
import sys
from collections.abc import Mapping
from enum import Enum
from functools import cache
from pathlib import Path
from typing import Any

from headrace.core.hashing import digest_bytes, digest_file, digest_json

_ROOTS = {"headrace": Path(__file__).parents[1]}


def describe(value: Any) -> Any:  # noqa: PLR0911  one line a kind of value
    """Turn a definition into JSON data that is equal exactly when the definition is.

    Dataclasses become their fields, functions the source of the file that defines them, paths the digest of the file's
    content, everything else its own value. Nothing depends on addresses in memory or on absolute paths.
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {field.name: describe(getattr(value, field.name)) for field in dataclasses.fields(value)}
        return {"type": type(value).__qualname__, **fields}
    if isinstance(value, Mapping):
        return [[describe(key), describe(item)] for key, item in value.items()]
    if isinstance(value, (list, tuple)):
        return [describe(item) for item in value]
    if isinstance(value, (set, frozenset)):
        return sorted(digest_json(describe(item)) for item in value)
    if isinstance(value, Enum):
        return value.name
    if isinstance(value, Path):
        return {"file": digest_file(value)} if value.is_file() else {"path": value.name}
    if callable(value):
        return _describe_function(value)
    if value is None or isinstance(value, (bool, int, str)):
        return value
    return repr(value)


def _describe_function(function: Any) -> Any:
    name = getattr(function, "__qualname__", type(function).__qualname__)
    try:
        source = inspect.getsourcefile(inspect.unwrap(function))
    except TypeError:
        source = None
    return {"function": name, "source": digest_file(Path(source)) if source else None}


@cache
def code_digest(packages: tuple[str, ...]) -> str:
    """Digest of the source of engine packages (`data`, `features`, ...; `kernels` for headrace_kernels)."""
    digests: list[Any] = []
    for package in sorted(packages):
        root = _ROOTS["headrace"] / package if package != "kernels" else _kernels_root()
        digests.extend(
            (f"{package}/{file.relative_to(root)}", digest_bytes(file.read_bytes())) for file in _sources(root)
        )
    return digest_json([*digests, list(sys.version_info[:2])])


def library_versions(names: tuple[str, ...]) -> dict[str, str]:
    """Installed versions of the libraries a stage's result depends on."""
    return {name: importlib.metadata.version(name) for name in names}


def _kernels_root() -> Path:
    spec = importlib.util.find_spec("headrace_kernels")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent


def _sources(root: Path) -> list[Path]:
    return sorted(file for file in root.rglob("*.py") if "__pycache__" not in file.parts)
