"""Options that several commands share, and what they open."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from headrace.core.config import DEFAULT_HOME, load_settings
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

RegistryOption = Annotated[
    str | None,
    typer.Option(
        "--registry",
        envvar="HEADRACE_REGISTRY",
        help="Database of registry and ledger: a file, or postgresql://USER:PASSWORD@HOST/DATABASE.",
        show_envvar=True,
        show_default="registry.db in --home",
    ),
]
PackagesOption = Annotated[
    str | None,
    typer.Option(
        "--packages",
        envvar="HEADRACE_PACKAGES",
        help="Where packages are: a folder, or a URI such as s3://bucket/models.",
        show_envvar=True,
        show_default="--home",
    ),
]

__all__ = [
    "DEFAULT_HOME",
    "HomeOption",
    "PackagesOption",
    "RegistryOption",
    "existing_workspace",
    "named_workspace",
]


def named_workspace(home: Path, registry: str | None = None, packages: str | None = None) -> Workspace:
    """The workspace behind `--home`, whether or not anything is in it; what is None comes from the environment."""
    workspace = Workspace.of(load_settings(home=home))
    return replace(workspace, registry=registry or workspace.registry, packages=packages or workspace.packages)


def existing_workspace(home: Path, registry: str | None = None, packages: str | None = None) -> Workspace:
    """The workspace behind `--home`, whose models somebody made.

    Raises:
        NotFoundError: nothing was ever run there.
        InvalidInputError: the registry's place is not what is allowed.
    """
    from headrace.core.database import database_exists

    workspace = named_workspace(home, registry, packages)
    if not database_exists(workspace.database):
        raise NotFoundError(
            f"there is no registry in {workspace.registry or home}",
            hint="name the folder of your run with --home, or run a project first",
        )
    return workspace
