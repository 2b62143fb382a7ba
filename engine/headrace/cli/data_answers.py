"""What `headrace data` says: tables for people on stdout, or the same as JSON."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from itertools import islice
from typing import TYPE_CHECKING, Any

import typer

from headrace.cli.console import print_json, print_table
from headrace.core.hashing import SHORT_DIGEST_CHARS

if TYPE_CHECKING:
    from headrace.data import TableStore
    from headrace.data.diff import ColumnMove, TableDiff
    from headrace.data.store import TableVersion, VersionRecord
    from headrace.data.store.manifests import SnapshotManifest
    from headrace.data.store.upkeep import Compaction, Vacuum
    from headrace.pipeline.provenance import Origin


def tables(store: TableStore, *, as_json: bool) -> None:
    """Every table with its newest version."""
    newest = [store.history(name)[-1] for name in store.names()]
    if as_json:
        print_json([_record(record, ()) for record in newest])
        return
    print_table(
        ["table", "version", "rows", "columns", "digest", "written"],
        [
            [r.version.name, str(r.version.version), f"{r.version.rows:,}", str(len(r.dtypes)), *_digest_and_time(r)]
            for r in newest
        ],
    )


def versions(store: TableStore, table: str, limit: int, *, as_json: bool) -> None:
    """Versions of a table, newest first."""
    history = list(islice(reversed(store.history(table)), limit))
    tagged = _tagged(store, table)
    if as_json:
        print_json([_record(record, tagged.get(record.version.version, ())) for record in history])
        return
    print_table(
        ["version", "operation", "rows", "digest", "written", "tags"],
        [
            [
                str(r.version.version),
                r.operation + _told(r.details),
                f"{r.version.rows:,}",
                *_digest_and_time(r),
                ", ".join(tagged.get(r.version.version, ())) + ("vacuumed" if r.is_gone else ""),
            ]
            for r in history
        ],
        title=table,
    )


def version(store: TableStore, which: TableVersion, rows: int, *, as_json: bool) -> None:
    """One version: how it came to be, its columns, its first rows."""
    record = next(one for one in store.history(which.name) if one.version.version == which.version)
    tagged = _tagged(store, which.name).get(which.version, ())
    parts = store.parts(which.name, version=which.version)
    first = next(parts.tables(), None) if rows else None
    sample = first.slice(0, rows).to_pylist() if first is not None else []
    files = parts.log.files(parts.log.by_version[which.version])
    size = sum((parts.log.path / file).stat().st_size for file in files)
    if as_json:
        answer = _record(record, tagged) | {"columns": dict(record.dtypes), "files": len(files), "size_bytes": size}
        print_json(answer | {"first_rows": [{k: _json(v) for k, v in row.items()} for row in sample]})
        return
    typer.echo(
        f"{which.name}@{which.version}  {which.rows:,} rows · {len(record.dtypes)} columns · {len(files)} files, "
        f"{size / 1e6:,.1f} MB · digest {which.digest[:SHORT_DIGEST_CHARS]}"
    )
    typer.echo(f"{record.operation}{_told(record.details)} · {record.at:%Y-%m-%d %H:%M:%S} UTC · {record.transaction}")
    if tagged:
        typer.echo(f"tags: {', '.join(tagged)}")
    if record.lineage is not None:
        typer.echo(f"from: {_from(record.lineage)}")
    shown = [["" if row[name] is None else str(_json(row[name])) for row in sample] for name in record.dtypes]
    print_table(
        ["column", "type", *(f"row {at}" for at in range(len(sample)))],
        [[name, dtype, *cells] for (name, dtype), cells in zip(record.dtypes.items(), shown, strict=True)],
    )


def difference(found: TableDiff, *, as_json: bool) -> None:
    """What differs between two versions."""
    if as_json:
        print_json(found.to_json())
        return
    before, after, rows = found.before, found.after, found.rows
    if found.is_same:
        typer.echo(f"{before.name}@{before.version} and {after.name}@{after.version} hold the same {rows.after:,} rows")
        return
    typer.echo(
        f"{before.name}@{before.version} to {after.name}@{after.version}: {rows.before:,} to {rows.after:,} rows"
    )
    changed = f", {rows.changed:,} changed" if rows.changed is not None else " (whole rows; --key tells changed ones)"
    typer.echo(f"rows     {rows.added:,} added, {rows.removed:,} removed{changed}")
    for what, named in (("added", found.columns_added), ("removed", found.columns_removed)):
        if named:
            typer.echo(f"columns  {what}: {', '.join(f'{name} ({dtype})' for name, dtype in named)}")
    if found.columns_retyped:
        typer.echo(f"columns  retyped: {', '.join(f'{name} ({a} to {b})' for name, a, b in found.columns_retyped)}")
    if rows.changed_columns:
        counts = sorted(rows.changed_columns.items(), key=lambda item: -item[1])
        typer.echo(f"changed  {', '.join(f'{name} in {count:,} rows' for name, count in counts)}")
    if found.moves:
        print_table(
            ["column", "missing", "mean", "shift", "most of it"],
            [[m.name, _pair(m.null_share, ".2%"), _pair(m.mean, ".4g"), _shift(m), _most(m)] for m in found.moves],
            title="distributions that moved",
        )


def lineage(origin: Origin, *, as_json: bool) -> None:
    """A model, its features, and the tables behind them."""
    answer = origin.to_json()
    if as_json:
        print_json(answer)
        return
    features = answer["features_digest"]
    typer.echo(f"{origin.model}  package {origin.digest[:SHORT_DIGEST_CHARS]}")
    typer.echo(f"plan {answer['plan_digest'][:SHORT_DIGEST_CHARS]} · features {_short(features)}")
    typer.echo(f"code {answer['code_commit'] or 'not committed'}")
    print_table(
        ["table", "version", "rows", "digest", "written", "from"],
        [
            [name, f"{told['table']}@{told['version']}", f"{told['rows']:,}", _short(told["digest"]),
             told["written_at"][:19].replace("T", " "), _from(told["lineage"])]
            for name, told in answer["tables"].items()
        ],
    )  # fmt: skip


def _short(digest: str | None) -> str:
    return digest[:SHORT_DIGEST_CHARS] if digest is not None else "not told"


def _from(lineage: Mapping[str, Any] | None) -> str:
    return ", ".join(f"{key} {value}" for key, value in (lineage or {}).items())


def tags(store: TableStore, table: str, *, as_json: bool) -> None:
    """The tags of a table."""
    known = store.tags(table)
    if as_json:
        print_json({name: asdict(tag) for name, tag in known.items()})
        return
    if not known:
        typer.echo(f"table '{table}' has no tags")
        return
    print_table(
        ["tag", "version", "digest", "set", "note"],
        [[n, str(t.version), t.digest[:SHORT_DIGEST_CHARS], t.at[:19], t.note] for n, t in known.items()],
        title=table,
    )


def restored(old: TableVersion, made: TableVersion, *, is_new: bool, as_json: bool) -> None:
    """What a restore did."""
    if as_json:
        print_json({"from": vars(old), "version": vars(made), "is_new": is_new})
    elif is_new:
        typer.echo(f"{made.name}@{made.version} has the content of version {old.version}: {made.rows:,} rows")
    else:
        typer.echo(f"{made.name}@{made.version} has that content already")


def compactions(done: Mapping[str, Compaction], *, as_json: bool) -> None:
    """What compactions did."""
    if as_json:
        print_json({name: asdict(one) for name, one in done.items()})
        return
    rows = [[name, f"{one.before:,}", f"{one.after:,}", f"{one.rows:,}"] for name, one in done.items()]
    print_table(["table", "files before", "files now", "rows written again"], rows)


def vacuums(done: Mapping[str, Vacuum], *, is_dry: bool, as_json: bool) -> None:
    """What vacuums did, or would do."""
    if as_json:
        print_json({name: {**asdict(one), "is_dry": is_dry} for name, one in done.items()})
        return
    print_table(
        ["table", "versions that would go" if is_dry else "versions gone", "files", "MB", "kept"],
        [
            [
                name,
                ", ".join(map(str, one.versions)) or "none",
                f"{len(one.files):,}",
                f"{one.size_bytes / 1e6:,.1f}",
                "; ".join(f"{version} ({', '.join(why)})" for version, why in list(one.kept.items())[-8:]),
            ]
            for name, one in done.items()
        ],
    )


def snapshot(manifest: SnapshotManifest, *, verified_rows: int | None, as_json: bool) -> None:
    """One snapshot manifest."""
    if as_json:
        print_json(manifest.to_json() | ({"verified_rows": verified_rows} if verified_rows is not None else {}))
        return
    typer.echo(f"snapshot {manifest.digest}")
    typer.echo(f"code {manifest.code or 'not told'} · settings {manifest.settings or 'not told'}")
    print_table(
        ["table", "version", "rows", "digest"],
        [
            [name, str(v.version), f"{v.rows:,}", v.digest[:SHORT_DIGEST_CHARS]]
            for name, v in sorted(manifest.tables.items())
        ],
    )
    if verified_rows is not None:
        typer.echo(f"verified: {verified_rows:,} rows hold what was pinned")


def snapshots(found: Sequence[SnapshotManifest], *, as_json: bool) -> None:
    """Every snapshot manifest."""
    if as_json:
        print_json([manifest.to_json() for manifest in found])
        return
    print_table(
        ["snapshot", "made", "tables", "code"],
        [
            [
                manifest.digest[:SHORT_DIGEST_CHARS],
                manifest.created_at[:19],
                ", ".join(f"{name}@{version.version}" for name, version in sorted(manifest.tables.items())),
                (manifest.code or "")[:SHORT_DIGEST_CHARS],
            ]
            for manifest in found
        ],
    )


def _record(record: VersionRecord, tagged: Sequence[str]) -> dict[str, Any]:
    return {
        **vars(record.version),
        "operation": record.operation,
        "at": record.at.isoformat(),
        "transaction": record.transaction,
        "details": dict(record.details),
        "lineage": record.lineage,
        "tags": list(tagged),
        "is_gone": record.is_gone,
    }


def _tagged(store: TableStore, table: str) -> dict[int, list[str]]:
    found: dict[int, list[str]] = {}
    for name, tag in store.tags(table).items():
        found.setdefault(tag.version, []).append(name)
    return found


def _digest_and_time(record: VersionRecord) -> tuple[str, str]:
    return record.version.digest[:SHORT_DIGEST_CHARS], f"{record.at:%Y-%m-%d %H:%M:%S}"


def _told(details: Mapping[str, Any]) -> str:
    if "keys" in details:
        return f" by {', '.join(details['keys'])}"
    if "where" in details:
        return f" where {', '.join(f'{name} = {value}' for name, value in details['where'].items())}"
    return f" of {details['version']}" if "version" in details else ""


def _pair(values: tuple[float | None, float | None] | None, form: str) -> str:
    if values is None:
        return ""
    before, after = ("none" if value is None else format(value, form) for value in values)
    return before if before == after else f"{before} to {after}"


def _shift(move: ColumnMove) -> str:
    if move.shift is None:
        return ""
    return "from one value" if move.shift == math.inf else f"{move.shift:.3f}"


def _most(move: ColumnMove) -> str:
    said = [f"{value} {before:.1%} to {after:.1%}" for value, before, after in move.categories[:2]]
    said += [f"{move.new_categories:,} new values"] if move.new_categories else []
    said += [f"{move.lost_categories:,} values gone"] if move.lost_categories else []
    if move.quantiles and move.dtype != "timestamp":
        low, high = move.quantiles[2]
        said.append(f"median {low:.4g} to {high:.4g}")
    return ", ".join(said)


def _json(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value.isoformat() if hasattr(value, "isoformat") else value
