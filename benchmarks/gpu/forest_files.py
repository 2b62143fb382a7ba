"""What prepare.py wrote: forests as graphs and arrays, rows, and LightGBM's answers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from headrace_kernels.forests import Forest

BATCH = 65_536
INDEX = "forests.json"
"""What was prepared, by name."""


@dataclass(frozen=True)
class ForestFiles:
    """One forest's files.

    Attributes:
        name: its own.
        folder: where they are.
        lacks: why there is no graph for CUDA; empty where there is one.
    """

    name: str
    folder: Path
    lacks: str

    def graph(self, kind: str) -> bytes:
        """`raw`, `cuda.raw` or `cuda.leaf`."""
        return (self.folder / f"{self.name}.{kind}.onnx").read_bytes()

    @cached_property
    def arrays(self) -> Mapping[str, npt.NDArray[Any]]:
        """Rows, LightGBM's leaves and scores, and the trees."""
        with np.load(self.folder / f"{self.name}.npz") as held:
            return dict(held)

    @property
    def forest(self) -> Forest:
        """The trees."""
        held = {field.name: self.arrays[f"forest_{field.name}"] for field in fields(Forest)}
        return Forest(**{name: value.item() if value.ndim == 0 else value for name, value in held.items()})

    def batch(self, count: int) -> npt.NDArray[np.float32]:
        """Rows as many as asked for: those that were prepared, in ever other order of columns' values."""
        rows, random = self.arrays["rows"], np.random.default_rng(3)
        while len(rows) < count:
            rows = np.concatenate([rows, random.permuted(rows, axis=0)])
        return np.ascontiguousarray(rows[:count])


def read_forests(folder: Path) -> list[ForestFiles]:
    """Every forest of a folder; none where nobody has prepared any."""
    index = folder / INDEX
    if not index.exists():
        return []
    notes = json.loads(index.read_text())
    return [ForestFiles(name, folder, note["cuda"]) for name, note in notes.items()]


def why_none(folder: Path) -> str:
    """What to do where there are no forests."""
    return f"no forests in {folder}: run benchmarks/gpu/prepare.py where LightGBM is, and bring the folder"
