"""What differs between two packages: files, features, plan, thresholds, metrics, lineage, libraries, graph."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from headrace.packaging import Package
from headrace.packaging.package import EVALUATION_FILE, LINEAGE_FILE
from headrace.pipeline.packages.inspection import gates, metrics, plan_features
from headrace.pipeline.packages.outline import outline
from headrace.pipeline.packages.places import FoundPackage


def compare_packages(before: FoundPackage, after: FoundPackage) -> dict[str, Any]:
    """Compare two packages after verifying both.

    Returns:
        JSON data: `is_same`, and for each kind of content what was added, removed and changed. Values are given side by
        side as `[before, after]`.

    Raises:
        HeadraceError: as for loading a package.
    """
    first, second = before.load(), after.load()
    evaluations = first.document(EVALUATION_FILE), second.document(EVALUATION_FILE)
    lineages = first.document(LINEAGE_FILE), second.document(LINEAGE_FILE)
    return {
        "packages": [before.shown, after.shown],
        "digests": [first.digest, second.digest],
        "is_same": first.digest == second.digest,
        "files": _changes(_digests(first), _digests(second)),
        "features": _features(first, second),
        "thresholds": _side_by_side(*(dict(_thresholds(one)) for one in evaluations)),
        "metrics": _side_by_side(*(metrics(one) for one in evaluations), keep_equal=True),
        "gates": _side_by_side(*({one["name"]: one["passed"] for one in gates(each)} for each in evaluations)),
        "tables": _side_by_side(*(one.get("snapshot", {}) for one in lineages)),
        "definition": _side_by_side(*(one.get("definition", {}) for one in lineages)),
        "code_commit": _pair(*(one.get("code_commit") for one in lineages)),
        "libraries": _side_by_side(*(one.get("libraries", {}) for one in lineages)),
        "graph": _side_by_side(outline(first.model), outline(second.model)),
        "cuda_graph": _side_by_side(*(outline(one.cuda_model) if one.cuda_model else {} for one in (first, second))),
    }


def _digests(package: Package) -> dict[str, str]:
    return {name: entry.digest for name, entry in package.manifest.files.items()}


def _features(first: Package, second: Package) -> dict[str, Any]:
    """Columns of the model's input, by name; `changed` is computed in another way under the same name."""
    names = first.signature.features, second.signature.features
    plans = plan_features(first), plan_features(second)
    both = [name for name in names[0] if name in names[1]]
    return {
        "added": [name for name in names[1] if name not in names[0]],
        "removed": [name for name in names[0] if name not in names[1]],
        "changed": [name for name in both if plans[0].get(name) != plans[1].get(name)],
        "is_reordered": both != [name for name in names[1] if name in names[0]],
    }


def _thresholds(value: Any, path: str = "") -> list[tuple[str, Any]]:
    """Every number of a document whose name says that it is a threshold, by its place."""
    if not isinstance(value, Mapping):
        return []
    found: list[tuple[str, Any]] = []
    for name, inner in value.items():
        place = f"{path}.{name}" if path else str(name)
        if "threshold" in str(name) and not isinstance(inner, (list, Mapping)):
            found.append((place, inner))
        found += _thresholds(inner, place)
    return found


def _changes(before: Mapping[str, str], after: Mapping[str, str]) -> dict[str, list[str]]:
    return {
        "added": sorted(set(after) - set(before)),
        "removed": sorted(set(before) - set(after)),
        "changed": sorted(name for name in set(before) & set(after) if before[name] != after[name]),
    }


def _side_by_side(
    before: Mapping[str, Any], after: Mapping[str, Any], *, keep_equal: bool = False
) -> dict[str, list[Any]]:
    """What two mappings say under each name, [before, after]; null where one says nothing."""
    names = list(dict.fromkeys([*before, *after]))
    pairs = {name: [before.get(name), after.get(name)] for name in names}
    return {name: pair for name, pair in pairs.items() if keep_equal or pair[0] != pair[1]}


def _pair(before: Any, after: Any) -> list[Any] | None:
    return None if before == after else [before, after]
