"""Bring a package in from elsewhere: verified before anything is stored."""

from __future__ import annotations

from pathlib import Path

from headrace.core.errors import InvalidInputError, NotFoundError
from headrace.packaging import ModelVersion, Registry, load_package
from headrace.packaging.manifest import MANIFEST_FILE
from headrace.packaging.oci import Imported, open_layout, read_layout
from headrace.packaging.oci.layout import LAYOUT_FILE
from headrace.packaging.signatures import read_signatures


def import_package(registry: Registry, place: Path, *, name: str | None) -> ModelVersion:
    """Register a package of an OCI layout (a folder or a tar file), or of a directory, with its signatures.

    Args:
        registry: where it goes.
        place: what was exported, or a package's directory.
        name: the model it must be of; None: whatever it is of.

    Raises:
        NotFoundError: there is no package at that place.
        InvalidInputError: it is of another model, or holds no package.
        CorruptedError: a part is missing, altered, too large, or does not belong there.
    """
    imported = _read(place)
    if name is not None and imported.package.name != name:
        raise InvalidInputError(f"{place} holds model '{imported.package.name}', not '{name}'")
    version = registry.register_package(imported.package)
    for file, signature in imported.signatures.items():
        registry.store.sign(version.digest, file, signature)
    return version


def _read(place: Path) -> Imported:
    if (place / MANIFEST_FILE).is_file():
        return Imported(load_package(place), read_signatures(place.resolve()))
    if place.is_dir() and not (place / LAYOUT_FILE).is_file():
        raise NotFoundError(f"{place} holds neither a package ({MANIFEST_FILE}) nor an OCI layout ({LAYOUT_FILE})")
    with open_layout(place) as layout:
        return read_layout(layout)
