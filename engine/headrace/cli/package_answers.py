"""What `headrace package` shows."""

from __future__ import annotations

from typing import Any

import typer

from headrace.cli.console import print_json, print_table
from headrace.core.hashing import SHORT_DIGEST_CHARS

KILOBYTE = 1000


def inspection(found: dict[str, Any], *, as_json: bool) -> None:
    """A package, from the outside in."""
    if as_json:
        print_json(found)
        return
    typer.echo(f"{found['package']}: model '{found['model']}', package {found['digest']}")
    files = [[one["name"], _size(one["size_bytes"]), one["digest"][:SHORT_DIGEST_CHARS]] for one in found["files"]]
    print_table(["file", "size", "digest"], files)
    for side in ("inputs", "outputs"):
        for tensor in found["signature"][side]:
            typer.echo(f"{side[:-1]}: {tensor['name']} {tensor['datatype']} {tensor['shape']}")
    roles = ", ".join(f"{count} {role or 'given'}" for role, count in found["plan"]["roles"].items())
    typer.echo(f"features: {len(found['signature']['features'])}" + (f" ({roles})" if roles else ""))
    typer.echo(f"graph: {_graph(found['graph'])}")
    typer.echo(f"graph for CUDA: {_graph(found['cuda_graph']) if found['cuda_graph'] else 'none'}")
    for name, figure in found["metrics"].items():
        typer.echo(f"{name}: {_figure(figure)}")
    for gate in found["gates"]:
        typer.echo(f"gate {'passed' if gate['passed'] else 'FAILED'}: {gate['name']} ({gate['reason']})")
    _lineage(found["lineage"])
    typer.echo(f"bill of materials: {found['components']} components")
    for one in found["signatures"]:
        typer.echo(
            f"signature: {one['algorithm'] or 'unreadable'}, key {one['key'] or '?'} (checked by `verify --key`)"
        )
    if not found["signatures"]:
        typer.echo("signatures: none")


def verification(found: dict[str, Any], *, as_json: bool) -> None:
    """Every file, good or bad, then the signatures."""
    if as_json:
        print_json(found)
        return
    rows = [[one["name"], _size(one["size_bytes"]), "REFUSED" if one["problem"] else "ok"] for one in found["files"]]
    print_table(["file", "size", "verdict"], rows, title=f"{found['package']} {found['digest'][:SHORT_DIGEST_CHARS]}")
    for one in found["signatures"]:
        typer.echo(f"signature {one['file']}: {one['trusted_key'] or 'not by a key that was given'}")
    if not found["signatures"]:
        typer.echo("signatures: none")
    if found["problem"] is None:
        typer.echo(f"{len(found['files'])} files are what the manifest says")


def comparison(found: dict[str, Any], *, as_json: bool) -> None:
    """What differs, and the metrics side by side whether they differ or not."""
    if as_json:
        print_json(found)
        return
    names = found["packages"]
    digests = [digest[:SHORT_DIGEST_CHARS] for digest in found["digests"]]
    if found["is_same"]:
        typer.echo(f"{names[0]} and {names[1]} are the same package: {digests[0]}")
        return
    typer.echo(f"{names[0]} ({digests[0]}) and {names[1]} ({digests[1]})")
    for what in ("files", "features"):
        for change in ("added", "removed", "changed"):
            if found[what][change]:
                typer.echo(f"{what} {change}: {', '.join(found[what][change])}")
    if found["features"]["is_reordered"]:
        typer.echo("features: in another order")
    for what in ("metrics", "thresholds", "gates", "tables", "definition", "libraries", "graph", "cuda_graph"):
        rows = [[name, _cell(pair[0]), _cell(pair[1])] for name, pair in found[what].items()]
        if rows:
            print_table([what, *names], rows)
    if found["code_commit"]:
        print_table(["code", *names], [["commit", *(_cell(one) for one in found["code_commit"])]])


def replay(shown: str, found: dict[str, Any], *, as_json: bool) -> None:
    """How many scores were equal, and the first that was not."""
    if as_json:
        print_json({"package": shown, **found})
        return
    typer.echo(f"{shown}: {found['equal']:,} of {found['rows']:,} predictions bit for bit equal")
    if found["other_rows"]:
        typer.echo(f"left out: {found['other_rows']:,} predictions of other versions")
    first = found["first_difference"]
    if first:
        typer.echo(
            f"first difference: {first['prediction_id']} in {first['segment']}, score {first['column']}: "
            f"logged {first['logged']} ({first['logged_hex']}), replayed {first['replayed']} ({first['replayed_hex']})"
        )


def signed(found: dict[str, Any], *, as_json: bool) -> None:
    """Where the signature lies."""
    if as_json:
        print_json(found)
        return
    digest = found["digest"][:SHORT_DIGEST_CHARS]
    typer.echo(f"{found['package']} ({digest}) signed by key {found['key']}: {found['file']}")


def keys(found: dict[str, Any], *, as_json: bool) -> None:
    """Where the keys lie."""
    if as_json:
        print_json(found)
        return
    typer.echo(f"private key in {found['private_key']}: keep it secret")
    typer.echo(f"public key in {found['public_key']} (key {found['key']}): give it to whoever shall trust it")


def _lineage(lineage: dict[str, Any]) -> None:
    for name, read in sorted(lineage.get("snapshot", {}).items()):
        digest = read["digest"][:SHORT_DIGEST_CHARS]
        typer.echo(f"table {name}: version {read['version']}, digest {digest}")
    if lineage.get("brought"):
        typer.echo(f"brought: {lineage['brought'].get('kind')} file, {lineage['brought'].get('digest')}")
    typer.echo(f"code: {lineage.get('code_commit') or 'not committed'}")
    libraries = ", ".join(f"{name} {version}" for name, version in sorted(lineage.get("libraries", {}).items()))
    typer.echo(f"libraries: {libraries or 'not told'}")


def _graph(graph: dict[str, Any]) -> str:
    if "unread" in graph:
        return f"{_size(graph['size_bytes'])}, not read here: {graph['unread']}"
    trees = f", {graph['trees']} trees" if graph["trees"] else ""
    return f"{_size(graph['size_bytes'])}, {graph['nodes']} nodes{trees}"


def _figure(figure: Any) -> str:
    if not isinstance(figure, dict):
        return str(figure)
    if figure.get("value") is None:
        return "-"
    low, high = figure.get("low"), figure.get("high")
    return f"{figure['value']:.4f}" + ("" if low is None or high is None else f" [{low:.4f}, {high:.4f}]")


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, dict) and "value" in value:
        return _figure(value)
    if isinstance(value, dict) and "digest" in value:
        return f"version {value.get('version')}, {str(value['digest'])[:SHORT_DIGEST_CHARS]}"
    text = str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _size(size_bytes: int) -> str:
    return f"{size_bytes / KILOBYTE:,.1f} kB"
