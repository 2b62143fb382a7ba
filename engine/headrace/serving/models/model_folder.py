"""What stands in one model's folder, as file times and sizes show it: no file is read here."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from headrace.serving.models.settings import SETTINGS_FILES

MODEL_FILE = "model.onnx"
TRITON_CONFIG = "config.pbtxt"
_VERSION = re.compile(r"[1-9][0-9]{0,17}")


@dataclass(frozen=True)
class ModelFolder:
    """One look at a folder `NAME/`; equal looks mean that nothing was written in between.

    Attributes:
        versions: stamp of `VERSION/model.onnx` by version.
        incomplete: version folders that hold no such file.
        ignored: folders whose name is no version.
        settings: stamps of the settings files that are there.
        triton_config: whether a `config.pbtxt` lies there.
        problem: why the folder cannot be listed; empty where it can.
    """

    versions: Mapping[int, str] = field(default_factory=dict)
    incomplete: tuple[int, ...] = ()
    ignored: tuple[str, ...] = ()
    settings: tuple[str, ...] = ()
    triton_config: bool = False
    problem: str = ""


def list_models(root: Path) -> tuple[str, ...]:
    """Names of the folders in a repository, in order; names that start with a dot are nobody's models.

    Raises:
        OSError: the repository cannot be listed.
    """
    with os.scandir(root) as entries:
        return tuple(sorted(entry.name for entry in entries if not entry.name.startswith(".") and entry.is_dir()))


def look_at(folder: Path) -> ModelFolder:
    """Look at one model's folder; links are followed, so that a switched link is a change."""
    try:
        with os.scandir(folder) as entries:
            directories = [entry.name for entry in entries if entry.is_dir() and not entry.name.startswith(".")]
        settings = tuple(found for name in SETTINGS_FILES if (found := file_stamp(folder / name)) is not None)
        triton_config = (folder / TRITON_CONFIG).exists()
    except OSError as error:
        return ModelFolder(problem=f"{folder} cannot be read: {error.strerror}")
    numbers = sorted(int(name) for name in directories if _VERSION.fullmatch(name))
    stamps = {number: _try_stamp(folder / str(number) / MODEL_FILE) for number in numbers}
    return ModelFolder(
        versions={number: stamp for number, stamp in stamps.items() if stamp is not None},
        incomplete=tuple(number for number, stamp in stamps.items() if stamp is None),
        ignored=tuple(sorted(name for name in directories if not _VERSION.fullmatch(name))),
        settings=settings,
        triton_config=triton_config,
    )


def file_stamp(path: Path) -> str | None:
    """Mark of a file that differs when it was written or replaced; None where there is no such regular file.

    Raises:
        OSError: it cannot be said whether there is one.
    """
    try:
        return stamp_of(path.stat())
    except FileNotFoundError:
        return None


def stamp_of(status: os.stat_result) -> str | None:
    """Mark of an open file; None where it is no regular one."""
    if not stat.S_ISREG(status.st_mode):
        return None
    return f"{status.st_mtime_ns}-{status.st_size}-{status.st_ino}"


def _try_stamp(path: Path) -> str | None:
    try:
        return file_stamp(path)
    except OSError as error:
        return f"unreadable: {error.strerror}"  # a stamp like any other: loading it gives the reason in words
