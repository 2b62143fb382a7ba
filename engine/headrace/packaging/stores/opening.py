"""Which store a place names."""

from __future__ import annotations

import re
from pathlib import Path

from headrace.core.errors import InvalidInputError
from headrace.packaging.stores.folder import FolderStore
from headrace.packaging.stores.protocol import PackageStore

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
SCHEMES = ("s3", "gs", "abfs", "abfss", "hdfs")


def open_store(place: Path | str, *, cache: Path) -> PackageStore:
    """Open a store of packages.

    Args:
        place: a folder, or a URI that Arrow knows: `s3://bucket/prefix`.
        cache: a folder where packages of an object store are kept once they were loaded.

    Raises:
        InvalidInputError: a URI of another kind, or one that cannot be read.
    """
    scheme = _SCHEME.match(place) if isinstance(place, str) else None
    if scheme is None:
        return FolderStore(Path(place))
    if scheme[1] == "file":
        return FolderStore(Path(str(place).removeprefix("file://")))
    if scheme[1] not in SCHEMES:
        allowed = ", ".join(f"{one}://" for one in SCHEMES)
        raise InvalidInputError(f"packages cannot be kept in '{scheme[1]}://'; allowed: a folder, {allowed}")
    from headrace.packaging.stores.objects import ObjectStore

    return ObjectStore(str(place), cache=cache)
