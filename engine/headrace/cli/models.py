"""`headrace models`: what the registry holds."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

import typer

from headrace.cli.console import JsonOption, print_json, print_table
from headrace.cli.options import DEFAULT_HOME, HomeOption, existing_workspace
from headrace.core.hashing import SHORT_DIGEST_CHARS


def models(
    name: Annotated[str | None, typer.Argument(help="One model; without it, all.")] = None,
    *,
    home: HomeOption = DEFAULT_HOME,
    as_json: JsonOption = False,
) -> None:
    """List registered versions, where their aliases point, and who moved an alias when and why.

    Example: `headrace models late --home build/demo`
    """
    from headrace.core.database import open_database
    from headrace.pipeline.models import registry_over

    workspace = existing_workspace(home)
    registry = registry_over(open_database(workspace.database), workspace)
    answer: dict[str, Any] = {}
    for model in [name] if name else registry.names():
        aliases = registry.aliases(model)
        answer[model] = {
            "versions": [
                {
                    "version": version.version,
                    "digest": version.digest,
                    "created_at": version.created_at.isoformat(),
                    "aliases": sorted(alias for alias, target in aliases.items() if target == version.version),
                }
                for version in registry.versions(model)
            ],
            "history": [{**asdict(move), "at": move.at.isoformat()} for move in registry.history(model)],
        }
    if as_json:
        print_json(answer)
        return
    for model, known in answer.items():
        print_table(
            ["version", "digest", "registered", "aliases"],
            [
                [str(v["version"]), v["digest"][:SHORT_DIGEST_CHARS], v["created_at"][:19], ", ".join(v["aliases"])]
                for v in known["versions"]
            ],
            title=model,
        )
