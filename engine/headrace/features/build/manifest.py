"""What stands beside a built matrix: which features it holds, of which definitions, computed from which inputs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headrace.core.errors import CorruptedError, NotFoundError
from headrace.core.files import write_atomic

FORMAT = "headrace-matrix"
VERSION = 1


@dataclass(frozen=True)
class Input:
    """A table that was read.

    Attributes:
        digest: SHA-256 of its content or file.
        rows: number of rows.
    """

    digest: str
    rows: int


@dataclass(frozen=True)
class Manifest:
    """A built matrix, described.

    Attributes:
        name: the feature set's name.
        plan: digest of the plan it was built by.
        spine: the table whose rows it has, in that table's order.
        at: column of the query time, and what is added to it in microseconds.
        row_id: the spine's column behind `row_id`, or None.
        rows: number of rows.
        features: digest of each column's definition, by name, in column order.
        inputs: the tables that were read, by name.
        size_bytes: of the matrix's file.
    """

    name: str
    plan: str
    spine: str
    at: tuple[str, int]
    row_id: str | None
    rows: int
    features: Mapping[str, str]
    inputs: Mapping[str, Input]
    size_bytes: int

    def to_json(self) -> dict[str, Any]:
        """As JSON data; `docs/operations/features.md` describes it."""
        return {
            "format": FORMAT,
            "version": VERSION,
            "name": self.name,
            "plan": self.plan,
            "spine": self.spine,
            "at": {"column": self.at[0], "offset_us": self.at[1]},
            "row_id": self.row_id,
            "rows": self.rows,
            "features": [{"name": name, "digest": digest} for name, digest in self.features.items()],
            "inputs": {name: vars(read) for name, read in sorted(self.inputs.items())},
            "size_bytes": self.size_bytes,
        }

    def write(self, path: Path) -> None:
        """Write the manifest, whole or not at all."""
        write_atomic(path, json.dumps(self.to_json(), indent=1).encode())

    @staticmethod
    def read(output: Path) -> Manifest:
        """Read what stands beside a matrix.

        Raises:
            NotFoundError: there is no matrix, or no manifest beside it.
            CorruptedError: the manifest is none, or does not describe the file.
        """
        path = manifest_path(output)
        if not output.is_file() or not path.is_file():
            missing = path if output.is_file() else output
            raise NotFoundError(f"there is no built matrix {output}: {missing.name} is missing")
        try:
            data = json.loads(path.read_bytes())
            if (data["format"], data["version"]) != (FORMAT, VERSION):
                raise CorruptedError(
                    f"{path} is '{data['format']}' version {data['version']}; this version reads {FORMAT} {VERSION}"
                )
            manifest = _from_json(data)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise CorruptedError(f"{path} is no manifest of a matrix: {error!r}") from error
        found = output.stat().st_size
        if found != manifest.size_bytes:
            raise CorruptedError(
                f"{output} has {found:,} bytes, its manifest says {manifest.size_bytes:,}", hint="build it again"
            )
        return manifest


def manifest_path(output: Path) -> Path:
    """Where the manifest of a matrix is: `features.npy` has `features.npy.json`."""
    return output.with_name(f"{output.name}.json")


def _from_json(data: Mapping[str, Any]) -> Manifest:
    return Manifest(
        name=data["name"],
        plan=data["plan"],
        spine=data["spine"],
        at=(data["at"]["column"], data["at"]["offset_us"]),
        row_id=data["row_id"],
        rows=data["rows"],
        features={feature["name"]: feature["digest"] for feature in data["features"]},
        inputs={name: Input(**read) for name, read in data["inputs"].items()},
        size_bytes=data["size_bytes"],
    )
