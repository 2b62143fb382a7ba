"""What `headrace models` shows."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import typer

from headrace.cli.console import print_json, print_table
from headrace.core.hashing import SHORT_DIGEST_CHARS

if TYPE_CHECKING:
    from headrace.packaging import ModelVersion, Registry
    from headrace.packaging.collection import Collected
    from headrace.packaging.retention import RetentionRecord

MEGABYTE = 1_000_000


def model(registry: Registry, name: str) -> dict[str, Any]:
    """JSON data of one model: its versions and the moves of its aliases."""
    aliases, kept = registry.aliases(name), registry.retention(name)
    return {
        "versions": [
            {
                "version": version.version,
                "digest": version.digest,
                "created_at": version.created_at.isoformat(),
                "aliases": sorted(alias for alias, target in aliases.items() if target == version.version),
                "is_pinned": version.version in kept.pinned,
                "is_collected": version.version in kept.collected,
            }
            for version in registry.versions(name)
        ],
        "history": [{**asdict(move), "at": move.at.isoformat()} for move in registry.history(name)],
    }


def versions(answer: dict[str, Any], *, as_json: bool) -> None:
    """A table a model."""
    if as_json:
        print_json(answer)
        return
    for name, known in answer.items():
        rows = []
        for one in known["versions"]:
            marks = [*one["aliases"], *(["(pinned)"] * one["is_pinned"]), *(["(collected)"] * one["is_collected"])]
            digest, at = one["digest"][:SHORT_DIGEST_CHARS], one["created_at"][:19]
            rows.append([str(one["version"]), digest, at, ", ".join(marks)])
        print_table(["version", "digest", "registered", "aliases"], rows, title=name)
    if not answer:
        typer.echo("no model is registered yet")


def events(registry: Registry, name: str) -> list[dict[str, Any]]:
    """Everything that happened to a model's versions after they were registered, oldest first."""
    moves = [
        {
            "at": move.at.isoformat(),
            "what": f"alias {move.alias}",
            "version": move.version,
            "previous_version": move.previous_version,
            "actor": move.actor,
            "reason": move.reason,
        }
        for move in registry.history(name)
    ]
    kept = [
        {
            "at": record.at.isoformat(),
            "what": record.action.value,
            "version": record.version,
            "previous_version": None,
            "actor": record.actor,
            "reason": record.reason,
        }
        for record in registry.retention_history(name)
    ]
    return sorted(moves + kept, key=lambda event: event["at"])


def history(name: str, found: list[dict[str, Any]], *, as_json: bool) -> None:
    """One line an event."""
    if as_json:
        print_json({"model": name, "events": found})
        return
    rows = []
    for one in found:
        before = "" if one["previous_version"] is None else f"{one['previous_version']} -> "
        after = "taken away" if one["version"] is None else str(one["version"])
        rows.append([one["at"][:19], one["what"], f"{before}{after}", one["actor"], one["reason"]])
    print_table(["at", "what", "version", "actor", "reason"], rows, title=name)
    if not rows:
        typer.echo("no alias was ever moved, nothing was pinned or collected")


def exported(answer: dict[str, Any], *, as_json: bool) -> None:
    """Where it went."""
    if as_json:
        print_json(answer)
        return
    digest = answer["digest"][:SHORT_DIGEST_CHARS]
    typer.echo(f"{answer['package']} ({digest}) with {answer['signatures']} signatures in {answer['to']}")


def registered(version: ModelVersion, *, how: str, as_json: bool) -> None:
    """Which version it is."""
    if as_json:
        print_json({"model": version.name, "version": version.version, "digest": version.digest})
        return
    typer.echo(f"{how} as {version} ({version.digest[:SHORT_DIGEST_CHARS]}); serve it: headrace serve {version}")


def kept(record: RetentionRecord, *, as_json: bool) -> None:
    """What is pinned now, or no more."""
    if as_json:
        print_json({**asdict(record), "action": record.action.value, "at": record.at.isoformat()})
        return
    said = "pinned" if record.action.value == "pin" else "no longer pinned"
    typer.echo(f"{record.name}@{record.version} is {said}" + (f": {record.reason}" if record.reason else ""))


def collection(found: Collected, *, is_trial: bool, as_json: bool) -> None:
    """What went and what stays, with the reason."""
    going = [one for one in found.decisions if not one.reasons]
    if as_json:
        print_json(
            {
                "is_dry_run": is_trial,
                "collected": [str(one.version) for one in going],
                "kept": {str(one.version): list(one.reasons) for one in found.decisions if one.reasons},
                "freed_bytes": found.freed_bytes,
                "finished_earlier": found.finished,
            }
        )
        return
    rows = [
        [str(one.version), "; ".join(one.reasons) or ("would go" if is_trial else "gone")] for one in found.decisions
    ]
    print_table(["version", "why it stays"], rows)
    if is_trial:
        typer.echo(f"{len(going)} packages would be collected; nothing was changed")
        return
    finished = f", and {found.finished} that an earlier collection had left" if found.finished else ""
    typer.echo(f"{len(going)} packages collected{finished}: {found.freed_bytes / MEGABYTE:,.1f} MB")
