"""Options that several commands share, and what they open."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from headrace.core.config import DEFAULT_HOME
from headrace.core.errors import NotFoundError
from headrace.pipeline.workspace import Workspace

HomeOption = Annotated[
    Path,
    typer.Option(
        "--home",
        envvar="HEADRACE_HOME",
        help="Folder of tables, registry, packages, predictions and reports.",
        show_envvar=True,
    ),
]

__all__ = ["DEFAULT_HOME", "HomeOption", "existing_workspace"]


def existing_workspace(home: Path) -> Workspace:
    """The workspace behind `--home`.

    Raises:
        NotFoundError: nothing was ever run there.
    """
    workspace = Workspace(home)
    if not workspace.database.is_file():
        raise NotFoundError(
            f"there is no registry in {home}", hint="name the folder of your run with --home, or run a project first"
        )
    return workspace
