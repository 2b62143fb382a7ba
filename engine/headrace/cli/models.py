"""`headrace models`: what the registry holds, how it came there, how it leaves."""

from __future__ import annotations

import getpass
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from headrace.cli import explain
from headrace.cli import models_answers as tell
from headrace.cli.console import JsonOption, terminal_progress
from headrace.cli.options import (
    DEFAULT_HOME,
    HomeOption,
    PackagesOption,
    RegistryOption,
    existing_workspace,
    named_workspace,
)


class _ListUnlessTold(TyperGroup):
    """`headrace models` and `headrace models late` list, as `headrace models list` does."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args[:1] != ["--help"] and (not args or args[0] not in self.commands):
            args = ["list", *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=_ListUnlessTold,
    help="List registered models; export, import and bring them; pin them, and collect what nothing needs.",
    epilog="Typical: `models`, `models history late`, `models export late@2 --to late.tar`, `models import late.tar`, "
    "`models bring model.txt --name late --schema columns.json`, `models gc --dry-run`.",
)
app.command("explain")(explain.explain)
ReferenceArgument = Annotated[str, typer.Argument(help="`late@2`, or `late@champion`.")]


@app.command("list")
def list_models(
    name: Annotated[str | None, typer.Argument(help="One model; without it, all.")] = None,
    *,
    home: HomeOption = DEFAULT_HOME,
    registry: RegistryOption = None,
    packages: PackagesOption = None,
    as_json: JsonOption = False,
) -> None:
    """List registered versions, where their aliases point, and what is pinned or was collected.

    Example: `headrace models late --home build/demo`
    """
    from headrace.pipeline.models import opened_registry

    with opened_registry(existing_workspace(home, registry, packages)) as opened:
        answer = {model: tell.model(opened, model) for model in ([name] if name else opened.names())}
    tell.versions(answer, as_json=as_json)


@app.command()
def history(
    name: Annotated[str, typer.Argument(help="Model name.")],
    *,
    home: HomeOption = DEFAULT_HOME,
    registry: RegistryOption = None,
    packages: PackagesOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show who moved which alias when and why, and every pin and collection, oldest first.

    Example: `headrace models history late --home build/demo`
    """
    from headrace.pipeline.models import opened_registry

    with opened_registry(existing_workspace(home, registry, packages)) as opened:
        opened.versions(name)
        answer = tell.events(opened, name)
    tell.history(name, answer, as_json=as_json)


@app.command("export")
def export_model(
    package: Annotated[str, typer.Argument(help="`late@2`, `late@champion`, or a package's directory.")],
    *,
    to: Annotated[Path, typer.Option(help="FILE.tar, or a folder: an OCI image layout either way.")],
    replace: Annotated[bool, typer.Option("--replace", help="Write over what is there.")] = False,
    home: HomeOption = DEFAULT_HOME,
    registry: RegistryOption = None,
    packages: PackagesOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write a package and its signatures as an OCI artifact; the same package gives the same bytes.

    Example: `headrace models export late@2 --to late-2.tar --home build/demo`
    """
    from headrace.packaging.oci import export_package
    from headrace.pipeline.packages.places import found_package

    workspace = named_workspace(home, registry, packages)
    with (
        found_package(workspace, package) as found,
        terminal_progress() as progress,
        progress.step(f"export {package}"),
    ):
        loaded = found.load()
        export_package(loaded, found.signatures, to, replace=replace)
    answer = {"package": found.shown, "digest": loaded.digest, "signatures": len(found.signatures), "to": str(to)}
    tell.exported(answer, as_json=as_json)


@app.command("import")
def import_model(
    place: Annotated[Path, typer.Argument(help="What `models export` wrote, or a package's directory.")],
    *,
    name: Annotated[str | None, typer.Option(help="Refuse a package of another model.")] = None,
    home: HomeOption = DEFAULT_HOME,
    registry: RegistryOption = None,
    packages: PackagesOption = None,
    as_json: JsonOption = False,
) -> None:
    """Verify a package that came from elsewhere and register it; a package that is known keeps its version.

    Example: `headrace models import late-2.tar --home build/demo`
    """
    from headrace.pipeline.models import opened_registry
    from headrace.pipeline.packages.moving import import_package

    workspace = named_workspace(home, registry, packages)
    with opened_registry(workspace) as opened, terminal_progress() as progress, progress.step(f"import {place.name}"):
        version = import_package(opened, place, name=name)
    tell.registered(version, how="imported", as_json=as_json)


@app.command()
def bring(
    model: Annotated[Path, typer.Argument(help="LightGBM text model, or ONNX file.")],
    *,
    name: Annotated[str, typer.Option(help="What the model is called from now on.")],
    schema: Annotated[Path, typer.Option(help="JSON: the columns the model reads, in its order.")],
    sample: Annotated[
        Path | None, typer.Option(help="Parquet, Arrow or CSV with those columns: reference statistics for drift.")
    ] = None,
    home: HomeOption = DEFAULT_HOME,
    registry: RegistryOption = None,
    packages: PackagesOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a package of a model that was trained elsewhere, and register it.

    Example: `headrace models bring model.txt --name late --schema columns.json --sample rows.parquet`
    """
    from headrace.pipeline.models import opened_registry
    from headrace.pipeline.packages.bringing import BroughtModel, bring_model

    brought = BroughtModel(name=name, model=model, schema=schema, sample=sample)
    with opened_registry(named_workspace(home, registry, packages)) as opened, terminal_progress() as progress:
        version = bring_model(opened, brought, progress=progress)
    tell.registered(version, how="brought", as_json=as_json)


@app.command()
def pin(
    reference: ReferenceArgument,
    *,
    why: Annotated[str, typer.Option(help="Why it must stay; kept in the history.")],
    home: HomeOption = DEFAULT_HOME,
    registry: RegistryOption = None,
    packages: PackagesOption = None,
    as_json: JsonOption = False,
) -> None:
    """Keep a version's package whatever a collection would do.

    Example: `headrace models pin late@1 --why "audit of 2013" --home build/demo`
    """
    from headrace.pipeline.keeping import open_keeper

    with open_keeper(existing_workspace(home, registry, packages), actor=getpass.getuser()) as keeper:
        record = keeper.pin(reference, reason=why)
    tell.kept(record, as_json=as_json)


@app.command()
def unpin(
    reference: ReferenceArgument,
    *,
    why: Annotated[str, typer.Option(help="Why it may go; kept in the history.")] = "",
    home: HomeOption = DEFAULT_HOME,
    registry: RegistryOption = None,
    packages: PackagesOption = None,
    as_json: JsonOption = False,
) -> None:
    """Let go of a pin.

    Example: `headrace models unpin late@1 --home build/demo`
    """
    from headrace.pipeline.keeping import open_keeper

    with open_keeper(existing_workspace(home, registry, packages), actor=getpass.getuser()) as keeper:
        record = keeper.unpin(reference, reason=why)
    tell.kept(record, as_json=as_json)


@app.command()
def gc(
    *,
    keep_last: Annotated[
        int, typer.Option(help="Newest versions, and last places of each alias, that stay in any case.")
    ] = 3,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
    home: HomeOption = DEFAULT_HOME,
    registry: RegistryOption = None,
    packages: PackagesOption = None,
    as_json: JsonOption = False,
) -> None:
    """Remove the packages of versions that no alias, rollback, release or pin needs.

    The versions stay in the index, marked: loading one says when its package went and how to restore it.

    Example: `headrace models gc --keep-last 5 --dry-run --home build/demo`
    """
    from headrace.pipeline.keeping import open_keeper

    workspace = existing_workspace(home, registry, packages)
    with (
        open_keeper(workspace, actor=getpass.getuser()) as keeper,
        terminal_progress() as progress,
        progress.step("collect packages"),
    ):
        collected = keeper.collect(keep_last=keep_last, is_trial=dry_run)
    tell.collection(collected, is_trial=dry_run, as_json=as_json)
