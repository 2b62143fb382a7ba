"""`headrace data`: what tables hold, how they changed, and what must stay."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from headrace.cli import data_answers as tell
from headrace.cli import data_profile, data_validate
from headrace.cli.console import JsonOption
from headrace.cli.options import DEFAULT_HOME, HomeOption, existing_workspace, named_workspace
from headrace.core.errors import NotFoundError

if TYPE_CHECKING:
    from headrace.data import TableStore

app = typer.Typer(
    name="data",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    add_completion=False,
    help="Versions of tables: what they hold, how they differ, which have names, and what may go.",
)

app.command("profile")(data_profile.profile)
app.command("validate")(data_validate.validate)

ReferenceArgument = Annotated[
    str, typer.Argument(metavar="TABLE[@VERSION]", help="A table; @ and a number, a tag or a time names a version.")
]
TableArgument = Annotated[str, typer.Argument(help="A table.")]


@app.command()
def log(
    table: Annotated[str | None, typer.Argument(help="A table; without it, all of them.")] = None,
    *,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="Newest versions to list.")] = 20,
    home: HomeOption = DEFAULT_HOME,
    as_json: JsonOption = False,
) -> None:
    """List tables, or the versions of one: when, by what, how many rows, which tags.

    Example: `headrace data log flights --home build/demo`
    """
    store = open_store(home)
    if table is None:
        tell.tables(store, as_json=as_json)
    else:
        tell.versions(store, table, limit, as_json=as_json)


@app.command()
def show(
    reference: ReferenceArgument,
    *,
    rows: Annotated[int, typer.Option("--rows", min=0, help="First rows to show.")] = 5,
    home: HomeOption = DEFAULT_HOME,
    as_json: JsonOption = False,
) -> None:
    """Show a version: columns, size, where its rows came from, and its first rows.

    Example: `headrace data show flights@3 --home build/demo`
    """
    from headrace.data.store.references import resolve

    store = open_store(home)
    tell.version(store, resolve(store, reference), rows, as_json=as_json)


@app.command()
def diff(
    before: ReferenceArgument,
    after: Annotated[
        str | None, typer.Argument(metavar="[TABLE@VERSION]", help="The second version. Default: the table's newest.")
    ] = None,
    *,
    key: Annotated[list[str] | None, typer.Option("--key", help="A column that names a row; again for more.")] = None,
    check: Annotated[bool, typer.Option("--check", help="Exit with 6 where the versions differ.")] = False,
    home: HomeOption = DEFAULT_HOME,
    as_json: JsonOption = False,
) -> None:
    """Compare two versions: columns and rows added, removed, changed, and how each column's distribution moved.

    With one version, the table's newest is the other one; with a table alone, its newest is compared with the version
    before.

    Example: `headrace data diff flights@3 flights@4 --key flight_id --home build/demo`
    """
    from headrace.data.diff import diff_versions
    from headrace.data.store.references import resolve

    store = open_store(home)
    first = resolve(store, before)
    second = resolve(store, after) if after else store.latest(first.name)
    if after is None and "@" not in before:
        older = [one for one in store.versions(first.name) if one.version < first.version]
        if not older:
            raise NotFoundError(f"table '{first.name}' has one version; there is nothing to compare it with")
        first = older[-1]
    found = diff_versions(store, first, second, keys=key or ())
    tell.difference(found, as_json=as_json)
    if check and not found.is_same:
        raise typer.Exit(6)


@app.command()
def tag(
    reference: ReferenceArgument,
    name: Annotated[str | None, typer.Argument(metavar="TAG", help="The name. Without it, tags are listed.")] = None,
    *,
    note: Annotated[str, typer.Option("--note", help="Why.")] = "",
    move: Annotated[bool, typer.Option("--move", help="Allow a tag to leave the version it names.")] = False,
    delete: Annotated[bool, typer.Option("--delete", help="Take the tag away.")] = False,
    home: HomeOption = DEFAULT_HOME,
    as_json: JsonOption = False,
) -> None:
    """Name a version, which is then not vacuumed; list a table's tags; take one away.

    Example: `headrace data tag flights@3 frozen --note "training set of May" --home build/demo`
    """
    from headrace.data.store.references import resolve

    store = open_store(home)
    version = resolve(store, reference)
    if name is not None and delete:
        store.untag(version.name, name)
    elif name is not None:
        store.tag(version.name, name, version=version.version, note=note, move=move)
    tell.tags(store, version.name, as_json=as_json)


@app.command()
def restore(reference: ReferenceArgument, *, home: HomeOption = DEFAULT_HOME, as_json: JsonOption = False) -> None:
    """Make the content of an old version the newest one again. What came between stays.

    Example: `headrace data restore flights@3 --home build/demo`
    """
    from headrace.data.store.references import resolve

    store = open_store(home)
    old = resolve(store, reference)
    newest = store.latest(old.name)
    made = newest
    if old.digest != newest.digest:
        made = store.restore(old.name, version=old.version, transaction=f"restore:{newest.version}:{old.version}")
    tell.restored(old, made, is_new=made != newest, as_json=as_json)


@app.command()
def compact(
    tables: Annotated[list[str] | None, typer.Argument(help="Tables; without any, all of them.")] = None,
    *,
    home: HomeOption = DEFAULT_HOME,
    as_json: JsonOption = False,
) -> None:
    """Join small files. No version, digest or row order changes; old files go with the next vacuum.

    Example: `headrace data compact events --home build/demo`
    """
    store = open_store(home)
    tell.compactions({name: store.compact(name) for name in tables or store.names()}, as_json=as_json)


@app.command()
def vacuum(
    tables: Annotated[list[str] | None, typer.Argument(help="Tables; without any, all of them.")] = None,
    *,
    keep_days: Annotated[
        float, typer.Option("--keep-days", min=0, help="Versions stay so long after a newer one.")
    ] = 30,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
    home: HomeOption = DEFAULT_HOME,
    as_json: JsonOption = False,
) -> None:
    """Delete files of old versions that nothing needs.

    The newest version stays, and every one that a tag, a snapshot, a registered package or the last run names.

    Example: `headrace data vacuum --keep-days 7 --dry-run --home build/demo`
    """
    from datetime import timedelta

    from headrace.pipeline.pinned import pinned_digests

    store = open_store(home)
    pinned = pinned_digests(named_workspace(home))
    done = {
        name: store.vacuum(name, keep=timedelta(days=keep_days), pinned=pinned, is_dry=dry_run)
        for name in tables or store.names()
    }
    tell.vacuums(done, is_dry=dry_run, as_json=as_json)


@app.command()
def snapshot(
    references: Annotated[
        list[str] | None, typer.Argument(metavar="[TABLE[@VERSION]]...", help="Tables; without any, all, newest.")
    ] = None,
    *,
    code: Annotated[str | None, typer.Option("--code", help="The code's commit. Default: that of --project.")] = None,
    project: Annotated[Path | None, typer.Option("--project", help="Folder whose Git commit is the code's.")] = None,
    settings: Annotated[Path | None, typer.Option("--settings", help="File whose digest is the settings'.")] = None,
    verify: Annotated[str | None, typer.Option("--verify", help="Digest of a snapshot: read it all again.")] = None,
    list_all: Annotated[bool, typer.Option("--list", help="List the snapshots there are.")] = False,
    home: HomeOption = DEFAULT_HOME,
    as_json: JsonOption = False,
) -> None:
    """Pin tables, the code and the settings under one digest; pinned versions are not vacuumed.

    Example: `headrace data snapshot flights@frozen weather --project examples/flights --home build/demo`
    """
    from headrace.core.hashing import digest_file
    from headrace.data.store.manifests import find_manifest, manifests, pin_snapshot, verify_manifest
    from headrace.data.store.references import resolve

    store = open_store(home)
    if list_all:
        tell.snapshots(list(manifests(store.root)), as_json=as_json)
        return
    if verify is not None:
        manifest = find_manifest(store.root, verify)
        rows = verify_manifest(store, manifest)
        tell.snapshot(manifest, verified_rows=rows, as_json=as_json)
        return
    if project is not None and code is None:
        from headrace.core.code_version import code_commit

        code = code_commit(project)
    if settings is not None and not settings.is_file():
        raise NotFoundError(f"there is no file {settings}")
    found = [resolve(store, reference) for reference in references or store.names()]
    manifest = pin_snapshot(
        store,
        {version.name: version.version for version in found},
        code=code,
        settings=digest_file(settings) if settings is not None else None,
    )
    tell.snapshot(manifest, verified_rows=None, as_json=as_json)


@app.command()
def lineage(
    model: Annotated[str, typer.Argument(metavar="MODEL[@VERSION]", help="A registered model: late, late@2.")],
    *,
    home: HomeOption = DEFAULT_HOME,
    as_json: JsonOption = False,
) -> None:
    """Follow a model back to the tables and sources it was computed from.

    A prediction's log names its model version; a package names versions of tables; a version names its source.

    Example: `headrace data lineage late@1 --home build/demo`
    """
    from headrace.pipeline.provenance import trace

    tell.lineage(trace(existing_workspace(home), model), as_json=as_json)


def open_store(home: Path) -> TableStore:
    """The tables behind `--home`.

    Raises:
        NotFoundError: there are none.
    """
    from headrace.data import TableStore
    from headrace.pipeline.workspace import Workspace

    store = TableStore(Workspace(home).tables)
    if not store.names():
        raise NotFoundError(
            f"there are no tables in {home}", hint="name the folder of your run with --home, or run a project first"
        )
    return store
