"""`headrace release`: how a version reaches traffic, step by step, and back."""

from __future__ import annotations

import getpass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from headrace.cli.console import JsonOption, print_json, print_table
from headrace.cli.options import DEFAULT_HOME, HomeOption, PackagesOption, RegistryOption, existing_workspace

if TYPE_CHECKING:
    from headrace.rollout import Releases, ReleaseState

app = typer.Typer(
    no_args_is_help=True,
    help="Release a version: canary, promote, roll back. Every step is in the ledger before it takes effect; running "
    "servers follow within a second.",
    epilog="Typical: `release start late 2 --share 0.1`, `release share late 0.5`, `release promote late`; at any time "
    "`release rollback late`.",
)
ModelArgument = Annotated[str, typer.Argument(help="Model name.")]
ReasonOption = Annotated[str, typer.Option("--reason", "-m", help="Why; kept in the ledger.")]


@app.command("start")
def start(
    model: ModelArgument,
    version: Annotated[int, typer.Argument(help="The version that becomes the candidate.")],
    *,
    share: Annotated[float, typer.Option(min=0.0, max=1.0, help="Part of the traffic it takes first.")] = 0.05,
    reason: ReasonOption = "",
    home: HomeOption = DEFAULT_HOME,
    registry: RegistryOption = None,
    packages: PackagesOption = None,
    as_json: JsonOption = False,
) -> None:
    """Send a share of the traffic to a candidate version. The same key always meets the same version."""
    state = _desk(home, registry, packages).start(model, version, share=share, reason=reason)
    _show(state, as_json=as_json)


@app.command("share")
def share(
    model: ModelArgument,
    share: Annotated[float, typer.Argument(min=0.0, max=1.0, help="Part of the traffic the candidate takes.")],
    *,
    reason: ReasonOption = "",
    home: HomeOption = DEFAULT_HOME,
    registry: RegistryOption = None,
    packages: PackagesOption = None,
    as_json: JsonOption = False,
) -> None:
    """Change the candidate's share. Keys that met the candidate keep meeting it while the share grows."""
    state = _desk(home, registry, packages).set_share(model, share, reason=reason)
    _show(state, as_json=as_json)


@app.command("promote")
def promote(
    model: ModelArgument,
    *,
    reason: ReasonOption = "",
    home: HomeOption = DEFAULT_HOME,
    registry: RegistryOption = None,
    packages: PackagesOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make the candidate the champion: model, plan, thresholds and reference statistics move together."""
    state = _desk(home, registry, packages).promote(model, reason=reason)
    _show(state, as_json=as_json)


@app.command("rollback")
def rollback(
    model: ModelArgument,
    *,
    reason: ReasonOption = "",
    home: HomeOption = DEFAULT_HOME,
    registry: RegistryOption = None,
    packages: PackagesOption = None,
    as_json: JsonOption = False,
) -> None:
    """Go back: withdraw the candidate where one is out, else return to the champion before this one."""
    state = _desk(home, registry, packages).rollback(model, reason=reason)
    _show(state, as_json=as_json)


@app.command("status")
def status(
    model: ModelArgument,
    *,
    home: HomeOption = DEFAULT_HOME,
    registry: RegistryOption = None,
    packages: PackagesOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show where a model's release stands, and its ledger."""
    from headrace.pipeline.releasing import event_json, state_json

    desk = _desk(home, registry, packages)
    events = [event_json(event) for event in desk.ledger.events(model)]
    state = desk.ledger.state(model)
    if as_json:
        print_json({"state": state_json(state), "events": events})
        return
    _show(state, as_json=False)
    columns = ["sequence", "at", "kind", "version", "share", "actor", "reason"]
    rows = [["" if event[name] is None else str(event[name]) for name in columns] for event in events]
    print_table(columns, [[row[0], row[1][:19], *row[2:]] for row in rows])


def _desk(home: Path, registry: str | None, packages: str | None) -> Releases:
    from headrace.pipeline.releasing import open_desk

    return open_desk(existing_workspace(home, registry, packages), actor=getpass.getuser())


def _show(state: ReleaseState, *, as_json: bool) -> None:
    from headrace.pipeline.releasing import state_json

    if as_json:
        print_json(state_json(state))
        return
    text = f"{state.model}: champion {state.champion}"
    if state.candidate is not None:
        text += f", candidate {state.candidate} with {state.share:.1%} of the traffic"
    typer.echo(f"{text} ({state.status.value})")
