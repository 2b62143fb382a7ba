"""What is in a package: files, tensors, features, graph, figures, gates, lineage, signatures."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from typing import Any

from headrace.packaging import Package
from headrace.packaging.manifest import FORMAT_VERSION
from headrace.packaging.package import EVALUATION_FILE, LINEAGE_FILE, MODEL_FILE, PLAN_FILE, SBOM_FILE, SIGNATURE_FILE
from headrace.pipeline.packages.outline import outline
from headrace.pipeline.packages.places import FoundPackage


def inspect_package(found: FoundPackage) -> dict[str, Any]:
    """Describe a package after verifying it.

    Returns:
        JSON data: what it is called, its digest, and one entry for each kind of content.

    Raises:
        HeadraceError: as for loading a package.
    """
    package = found.load()
    evaluation = package.document(EVALUATION_FILE)
    return {
        "package": found.shown,
        "model": package.name,
        "version": found.version,
        "digest": package.digest,
        "format_version": FORMAT_VERSION,
        "size_bytes": package.size_bytes,
        "files": [
            {"name": name, "size_bytes": entry.size_bytes, "digest": entry.digest}
            for name, entry in sorted(package.manifest.files.items())
        ],
        "signature": package.document(SIGNATURE_FILE),
        "plan": _plan(package),
        "graph": outline(package.files[MODEL_FILE]),
        "cuda_graph": outline(package.cuda_model) if package.cuda_model is not None else None,
        "metrics": metrics(evaluation),
        "gates": gates(evaluation),
        "lineage": package.document(LINEAGE_FILE),
        "components": len(package.document(SBOM_FILE).get("components", ())),
        "signatures": [_signature(name, content) for name, content in found.signatures.items()],
    }


def metrics(evaluation: Mapping[str, Any]) -> dict[str, Any]:
    """Metric -> its value and interval, of the evaluation document; none where nothing was evaluated."""
    model = evaluation.get("model")
    figures = model.get("figures") if isinstance(model, Mapping) else None
    return dict(figures) if isinstance(figures, Mapping) else {}


def gates(evaluation: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Name, verdict and reason of every gate."""
    verdicts = (evaluation.get("gates") or {}).get("verdicts", ())
    return [{name: one.get(name) for name in ("name", "passed", "reason")} for one in verdicts]


def plan_features(package: Package) -> dict[str, Any]:
    """Feature -> its entry in the plan."""
    entries = package.document(PLAN_FILE).get("features", ())
    return {one["name"] if isinstance(one, Mapping) else str(one): one for one in entries}


def _plan(package: Package) -> dict[str, Any]:
    plan = package.document(PLAN_FILE)
    roles = Counter(one.get("role", "") for one in plan_features(package).values() if isinstance(one, Mapping))
    return {
        "digest": package.manifest.files[PLAN_FILE].digest,
        "name": plan.get("name"),
        "format_version": plan.get("format_version"),
        "features": len(plan.get("features", ())),
        "roles": dict(sorted(roles.items())),
    }


def _signature(name: str, content: bytes) -> dict[str, Any]:
    """What a signature file says of itself; whether it is true, `verify --key` tells."""
    try:
        body = json.loads(content)
        return {"file": name, "key": str(body["key"]), "algorithm": str(body["algorithm"])}
    except (ValueError, KeyError, TypeError):
        return {"file": name, "key": None, "algorithm": None}
