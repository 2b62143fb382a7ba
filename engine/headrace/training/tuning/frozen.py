"""The winner's parameters as a file of the project: reviewed, committed, and read by name."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from headrace.core.errors import CorruptedError, NotFoundError
from headrace.core.files import write_atomic
from headrace.core.hashing import digest_json

FORMAT = 1


def write_tuned(path: Path, params: Mapping[str, Any], facts: Mapping[str, Any]) -> str:
    """Write tuned parameters with the facts of their study; equal content gives equal bytes.

    Args:
        path: of the file.
        params: LightGBM's parameters.
        facts: JSON data: what was tuned on what, the value, what was measured.

    Returns:
        The digest over both.
    """
    body = {"format": FORMAT, "params": dict(params), "study": dict(facts)}
    digest = digest_json(body)
    write_atomic(path, (json.dumps({**body, "digest": digest}, indent=2, allow_nan=False) + "\n").encode())
    return digest


def tuned(path: str | Path) -> dict[str, Any]:
    """Read the parameters that `headrace tune` wrote: `hr.Model(params=hr.tuned("tuned/late.json"))`.

    A relative path is looked for in the folder of the project file that asks.

    Raises:
        NotFoundError: there is no such file.
        CorruptedError: it is not one of ours, or was changed since: parameters of one's own belong into the project.
    """
    file = Path(path)
    if not file.is_absolute():
        file = _folder_of_project() / file
    try:
        body = json.loads(file.read_bytes())
        digest = body.pop("digest")
        params: dict[str, Any] = body["params"]
    except FileNotFoundError as error:
        raise NotFoundError(
            f"there are no tuned parameters at {path}", hint="headrace tune writes them; until then give params={...}"
        ) from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise CorruptedError(f"{path} does not hold tuned parameters: {error!r}") from error
    if body.get("format") != FORMAT or digest_json(body) != digest:
        raise CorruptedError(
            f"{path} was changed since it was tuned",
            hint="write parameters of your own into the project file, or tune again",
        )
    return params


def _folder_of_project() -> Path:
    """Folder of the project file that is being read; else the current one."""
    import inspect

    for frame in inspect.stack(context=0)[2:]:
        if frame.frame.f_globals.get("__name__") == "headrace_project":
            return Path(frame.filename).parent
    return Path()
