"""What MLflow takes as a name and a value: ours are changed to fit, and the change is told.

Reference: MLflow's validation of names and limits of log-batch.
"""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Iterable
from typing import Any

from headrace.core.hashing import digest_bytes

MAX_KEY_CHARS = 250
MAX_PARAMETER_CHARS = 6_000
MAX_TAG_CHARS = 5_000  # older servers; newer ones take 8,000
_FORBIDDEN = re.compile(r"[^A-Za-z0-9_\-. /]")
_CUT = "\u2026"


def key(name: str) -> str:
    """A name as MLflow takes it: `ndcg@5` is `ndcg_5`; too long a one ends with a digest of the whole."""
    fitting = _FORBIDDEN.sub("_", name)
    if posixpath.normpath(fitting) != fitting or fitting.startswith(("/", ".")):
        fitting = "_" + fitting.replace("/", "_").lstrip("._")
    return _ended(fitting, name) if len(fitting) > MAX_KEY_CHARS else fitting


def keys(names: Iterable[str]) -> dict[str, str]:
    """Each name's key; of names that would share one, all but the first end with a digest of their own."""
    taken: dict[str, str] = {}
    for name in names:
        wanted = key(name)
        taken[name] = wanted if wanted not in taken.values() else _ended(wanted, name)
    return taken


def text(value: Any) -> str:
    """A JSON value as MLflow shows it: strings as they are, everything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value)


def clipped(value: str, limit: int) -> str:
    """A value no longer than allowed, with a sign that it was cut."""
    return value if len(value) <= limit else value[: limit - 1] + _CUT


def _ended(fitting: str, name: str) -> str:
    end = f"_{digest_bytes(name.encode())[:8]}"
    return fitting[: MAX_KEY_CHARS - len(end)] + end
