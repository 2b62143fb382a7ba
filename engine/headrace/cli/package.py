"""`headrace package`: look into a package, verify it, compare two, sign one, replay what it answered."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from headrace.cli import package_answers as tell
from headrace.cli.console import JsonOption, terminal_progress
from headrace.cli.options import DEFAULT_HOME, HomeOption, PackagesOption, RegistryOption, named_workspace

app = typer.Typer(
    no_args_is_help=True,
    help="Look into a model package, verify it, compare two, sign one, replay what it answered. A package is a version "
    "of the registry (`late@2`, `late@champion`) or a directory.",
    epilog="Typical: `package inspect late`, `package verify late --key team.pub`, `package diff late@1 late@2`, "
    "`package replay late@1 --predictions build/demo`.",
)
PackageArgument = Annotated[str, typer.Argument(help="`late`, `late@2`, `late@champion`, or a directory.")]


@app.command()
def inspect(
    package: PackageArgument,
    *,
    home: HomeOption = DEFAULT_HOME,
    registry: RegistryOption = None,
    packages: PackagesOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what is in a package: files, tensors, features, graph, figures, gates, lineage, signatures.

    Example: `headrace package inspect late@champion --home build/demo`
    """
    from headrace.pipeline.packages.inspection import inspect_package
    from headrace.pipeline.packages.places import found_package

    with found_package(named_workspace(home, registry, packages), package) as found:
        tell.inspection(inspect_package(found), as_json=as_json)


@app.command()
def verify(
    package: PackageArgument,
    *,
    key: Annotated[
        list[Path] | None,
        typer.Option("--key", help="Public key, or a folder of *.pub; one of them must have signed. May be repeated."),
    ] = None,
    home: HomeOption = DEFAULT_HOME,
    registry: RegistryOption = None,
    packages: PackagesOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check every file of a package against its manifest, and its signatures against keys.

    Exits with 5 where a file was altered, is missing or does not belong there, with 12 where no given key signed it.

    Example: `headrace package verify late@2 --key team.pub --home build/demo`
    """
    from headrace.pipeline.packages.places import found_package
    from headrace.pipeline.packages.verification import verify_package

    with found_package(named_workspace(home, registry, packages), package) as found, terminal_progress() as progress:
        verified = verify_package(found, key or (), progress=progress)
    tell.verification(verified.to_json(), as_json=as_json)
    if verified.problem is not None:
        raise verified.problem


@app.command()
def diff(
    before: PackageArgument,
    after: PackageArgument,
    *,
    home: HomeOption = DEFAULT_HOME,
    registry: RegistryOption = None,
    packages: PackagesOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what differs between two packages: features, plan, thresholds, metrics, data, libraries, graph.

    Example: `headrace package diff late@1 late@2 --home build/demo`
    """
    from headrace.pipeline.packages.comparison import compare_packages
    from headrace.pipeline.packages.places import found_package

    workspace = named_workspace(home, registry, packages)
    with found_package(workspace, before) as first, found_package(workspace, after) as second:
        tell.comparison(compare_packages(first, second), as_json=as_json)


@app.command()
def replay(
    package: PackageArgument,
    *,
    predictions: Annotated[
        Path, typer.Option(help="Logged predictions: a folder of the prediction log, a segment of it, or a home.")
    ],
    version: Annotated[
        int | None, typer.Option(help="Whose predictions, where the package is a directory and the log has several.")
    ] = None,
    home: HomeOption = DEFAULT_HOME,
    registry: RegistryOption = None,
    packages: PackagesOption = None,
    as_json: JsonOption = False,
) -> None:
    """Run a package on the features that were logged and compare the scores with the logged ones, bit for bit.

    Nothing but the package is used: no table, no project, no server. Exits with 1 where a score differs.

    Example: `headrace package replay late@1 --predictions build/demo/predictions --home build/demo`
    """
    from headrace.pipeline.packages.places import found_package
    from headrace.pipeline.packages.replaying import replay as replay_package

    with found_package(named_workspace(home, registry, packages), package) as found, terminal_progress() as progress:
        wanted = found.version if found.version is not None else version
        done = replay_package(found.load(), predictions, version=wanted, progress=progress)
    tell.replay(found.shown, done.to_json(), as_json=as_json)
    if done.equal != done.rows:
        raise typer.Exit(1)


@app.command()
def sign(
    package: PackageArgument,
    *,
    key: Annotated[Path, typer.Option("--key", help="Private key, PEM, as `headrace package keygen` writes it.")],
    home: HomeOption = DEFAULT_HOME,
    registry: RegistryOption = None,
    packages: PackagesOption = None,
    as_json: JsonOption = False,
) -> None:
    """Sign a package after verifying it; the signature lies beside it, and its digest stays what it was.

    Example: `headrace package sign late@2 --key team.key --home build/demo`
    """
    from headrace.packaging.signing import sign_digest
    from headrace.pipeline.packages.places import found_package

    with found_package(named_workspace(home, registry, packages), package) as found:
        digest = found.load_unsigned().digest
        name, signature = sign_digest(digest, key)
        place = found.sign(digest, name, signature)
    answer = {"package": found.shown, "digest": digest, "key": name.removesuffix(".json"), "file": place}
    tell.signed(answer, as_json=as_json)


@app.command()
def keygen(
    name: Annotated[Path, typer.Argument(help="Where the keys go: NAME.key (keep it secret) and NAME.pub.")],
    *,
    as_json: JsonOption = False,
) -> None:
    """Make an ed25519 key pair for signing packages. A key that is there is never overwritten.

    Example: `headrace package keygen team`
    """
    from headrace.packaging.signing import generate_keys

    private, public = name.with_name(f"{name.name}.key"), name.with_name(f"{name.name}.pub")
    key = generate_keys(private, public)
    tell.keys({"private_key": str(private), "public_key": str(public), "key": key.id}, as_json=as_json)
