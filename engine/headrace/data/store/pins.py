"""What keeps a version from being vacuumed: its tags, the snapshot manifests of the store, and whoever names it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from headrace.data.commit_log import read_log
from headrace.data.store.manifests import manifests
from headrace.data.store.tags import read_tags


def pins_of(path: Path, also: Mapping[str, str]) -> dict[int, tuple[str, ...]]:
    """Pinned versions of a table, each with the reasons.

    Args:
        path: the table's folder.
        also: digests of content that is needed, with the reason: every version that holds it stays.
    """
    found: dict[int, list[str]] = {}
    for tag in read_tags(path).values():
        found.setdefault(tag.version, []).append(f"tag {tag.tag}")
    for manifest in manifests(path.parent):
        if path.name in manifest.tables:
            found.setdefault(manifest.tables[path.name].version, []).append(f"snapshot {manifest.digest[:8]}")
    for commit in read_log(path).commits:
        if commit.digest in also:
            found.setdefault(commit.version, []).append(also[commit.digest])
    return {version: tuple(reasons) for version, reasons in found.items()}
