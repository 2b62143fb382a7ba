"""The software bill of materials of a model: the installed distributions its making and serving rest on.

Reference: CycloneDX 1.6 (ECMA-424), JSON form. Serial number and timestamp, both optional there, are left out: equal
models have equal bills.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from importlib import metadata
from typing import Any

from headrace.core.hashing import digest_bytes
from headrace.packaging.package import CUDA_MODEL_FILE

SPEC_VERSION = "1.6"
# What makes a model and what answers with it; a distribution that is not installed is left out with its requirements.
ROOTS = ("headrace",)
EXTRAS = ("train",)

_REQUIREMENT = re.compile(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)\s*(?:\[[^\]]*\])?[^;]*(?:;(.*))?", re.DOTALL)
_EXTRA = re.compile(r"extra\s*==\s*['\"]([^'\"]+)['\"]")


def bill_of_materials(
    name: str, model: bytes, *, cuda_model: bytes | None = None, roots: Iterable[str] = ROOTS
) -> dict[str, Any]:
    """Describe a model and the distributions under it.

    Args:
        name: the model's name.
        model: its graph; the component is named by its digest.
        cuda_model: the same model as a second graph, a file of the component; None where there is none.
        roots: distributions to start from; what they require and is installed follows.

    Returns:
        A CycloneDX document: components and dependencies sorted by name.
    """
    installed = _closure(roots)
    references = {key: f"pkg:pypi/{key}@{installed[key].version}" for key in installed}
    model_reference = f"model:{name}"
    return {
        "bomFormat": "CycloneDX",
        "specVersion": SPEC_VERSION,
        "version": 1,
        "metadata": {
            "component": {
                "type": "machine-learning-model",
                "bom-ref": model_reference,
                "name": name,
                "hashes": _hashes(model),
                **({} if cuda_model is None else {"components": [_file(CUDA_MODEL_FILE, cuda_model)]}),
            }
        },
        "components": [_component(key, installed[key], references[key]) for key in sorted(installed)],
        "dependencies": [
            {
                "ref": model_reference,
                "dependsOn": sorted(references[key] for key in map(_key, roots) if key in references),
            },
            *(
                {
                    "ref": references[key],
                    "dependsOn": sorted(references[need] for need in _needs(installed[key]) if need in references),
                }
                for key in sorted(installed)
            ),
        ],
    }


def library_versions(names: Iterable[str]) -> dict[str, str]:
    """Versions of installed distributions, for lineage; those not installed are left out."""
    found = {name: _find(name) for name in names}
    return {name: distribution.version for name, distribution in sorted(found.items()) if distribution is not None}


def _file(name: str, content: bytes) -> dict[str, Any]:
    return {"type": "file", "name": name, "hashes": _hashes(content)}


def _hashes(content: bytes) -> list[dict[str, str]]:
    return [{"alg": "SHA-256", "content": digest_bytes(content)}]


def _component(key: str, distribution: metadata.Distribution, reference: str) -> dict[str, Any]:
    component: dict[str, Any] = {
        "type": "library",
        "bom-ref": reference,
        "name": key,
        "version": distribution.version,
        "purl": reference,
    }
    if "License-Expression" in distribution.metadata:
        component["licenses"] = [{"expression": distribution.metadata["License-Expression"]}]
    return component


def _closure(roots: Iterable[str]) -> dict[str, metadata.Distribution]:
    installed: dict[str, metadata.Distribution] = {}
    waiting = [_key(root) for root in roots]
    while waiting:
        key = waiting.pop()
        distribution = None if key in installed else _find(key)
        if distribution is not None:
            installed[key] = distribution
            waiting.extend(_needs(distribution))
    return installed


def _needs(distribution: metadata.Distribution) -> set[str]:
    """Names a distribution requires, those of the extras this bill covers included.

    Other markers (platform, Python version) are not read: what they exclude is not installed.
    """
    needs = set()
    for requirement in distribution.requires or ():
        matched = _REQUIREMENT.match(requirement)
        assert matched is not None, requirement
        extra = _EXTRA.search(matched[2] or "")
        if extra is None or extra[1] in EXTRAS:
            needs.add(_key(matched[1]))
    return needs


def _find(name: str) -> metadata.Distribution | None:
    try:
        return metadata.distribution(name)
    except metadata.PackageNotFoundError:
        return None


def _key(name: str) -> str:
    """Normalised name. Reference: PEP 503."""
    return re.sub(r"[-_.]+", "-", name).lower()
