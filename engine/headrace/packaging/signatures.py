"""Signatures lie beside a package, in files of their own: signing changes no digest.

`<package>.signatures/<key>.json`, one file a key; `signing` makes and checks them.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

SUFFIX = ".signatures"
MAX_SIGNATURE_BYTES = 64 * 1024


def signatures_folder(package: Path) -> Path:
    """The folder of a package's signatures."""
    return package.with_name(f"{package.name}{SUFFIX}")


def read_signatures(package: Path) -> Mapping[str, bytes]:
    """Signature files beside a package, by name; none where there is no such folder."""
    found = {}
    for file in sorted(signatures_folder(package).glob("[!.]*.json")):
        with file.open("rb") as opened:
            found[file.name] = opened.read(MAX_SIGNATURE_BYTES)
    return found
