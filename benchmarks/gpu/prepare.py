"""Prepare what `check.py` needs and cannot make without LightGBM: forests as ONNX graphs and arrays, rows, answers.

    python benchmarks/gpu/prepare.py [--output build/gpu-inputs] [--smoke]

Of each forest: `NAME.raw.onnx` (TreeEnsemble, raw scores), `NAME.cuda.raw.onnx` and `NAME.cuda.leaf.onnx` (tensor
operations; raw scores and leaf numbers), `NAME.npz` (the trees as arrays for the CUDA kernel, rows of float32, and
LightGBM's own leaves and raw scores of them). A few megabytes; rebuilt in a minute, never committed.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import numpy.typing as npt

sys.path.insert(0, str(Path(__file__).parents[2] / "engine"))
sys.path.insert(0, str(Path(__file__).parents[2] / "kernels"))
sys.path.insert(0, str(Path(__file__).parent))

from forest_files import INDEX

from headrace.packaging.export import export_raw_score
from headrace.serving.runtime.forest.graph import read_graph
from headrace.serving.runtime.forest.recognise import recognise
from headrace_kernels.forests import Forest

ROOT = Path(__file__).parents[2]
Rows = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Shape:
    """One forest: how many trees, how wide or deep they are, over how many features."""

    trees: int
    leaves: int
    features: int
    depth: int = -1
    classes: int = 1
    categorical: bool = False
    rows: int = 10_000


FULL = {
    "wide": Shape(300, 63, 40),
    "shallow": Shape(300, 16, 40, depth=4),
    "deep": Shape(60, 255, 40),
    "classes": Shape(20, 31, 20, classes=5),
    "categories": Shape(50, 31, 12, categorical=True),
    "windows": Shape(100, 31, 18),
}
SMOKE = {"small": Shape(12, 8, 6), "windows": Shape(10, 8, 18), "categories": Shape(8, 8, 5, categorical=True)}
N_ANSWERS = 2048


def main() -> int:
    """Write everything into the output folder."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--output", type=Path, default=ROOT / "build" / "gpu-inputs")
    parser.add_argument("--smoke", action="store_true", help="tiny forests")
    chosen = parser.parse_args()
    chosen.output.mkdir(parents=True, exist_ok=True)
    notes = {name: prepare(name, shape, chosen.output) for name, shape in (SMOKE if chosen.smoke else FULL).items()}
    (chosen.output / INDEX).write_text(json.dumps(notes, indent=2) + "\n")
    size = sum(path.stat().st_size for path in chosen.output.iterdir())
    print(f"{len(notes)} forests, {size / 1e6:.1f} MB in {chosen.output}")
    return 0


def prepare(name: str, shape: Shape, folder: Path) -> dict[str, Any]:
    """Train one forest and write its files; what is missing is noted."""
    booster, rows = train(shape)
    raw = export_raw_score(booster)
    (folder / f"{name}.raw.onnx").write_bytes(raw)
    note: dict[str, Any] = {field.name: getattr(shape, field.name) for field in fields(shape)}
    note["cuda"] = write_tensor_graphs(booster, name, folder)
    wide = rows.astype(np.float64)
    leaves = np.asarray(booster.predict(wide, pred_leaf=True))
    scores = np.asarray(booster.predict(wide, raw_score=True)).reshape(len(rows), -1)
    forest = recognise(read_graph(raw)).forest
    trees = {f"forest_{field.name}": np.asarray(getattr(forest, field.name)) for field in fields(Forest)}
    np.savez_compressed(folder / f"{name}.npz", rows=rows, leaves=leaves.astype(np.int16), scores=scores, **trees)
    return note


def train(shape: Shape) -> tuple[lightgbm.Booster, Rows]:
    """Train on noise with structure; return the model and rows it has not seen, some cells NaN, infinite or zero."""
    random = np.random.default_rng(7)
    values = random.normal(size=(shape.rows + N_ANSWERS, shape.features)).astype(np.float32)
    if shape.categorical:
        values[:, 0] = random.integers(0, 40, len(values))
    known = values.copy()
    values[random.random(values.shape) < 0.05] = np.nan
    signal = known[:, 1] + known[:, 2] * known[:, 3] + np.sin(known).sum(axis=1) + random.normal(size=len(values))
    cuts = np.quantile(signal, np.arange(1, max(shape.classes, 2)) / max(shape.classes, 2))
    target = np.searchsorted(cuts, signal)
    parameters = {
        "objective": "binary" if shape.classes == 1 else "multiclass", "num_leaves": shape.leaves,
        "max_depth": shape.depth, "min_data_in_leaf": 5, "deterministic": True, "num_threads": 2, "seed": 7,
        "verbose": -1, **({"num_class": shape.classes} if shape.classes > 1 else {}),
    }  # fmt: skip
    categorical = [0] if shape.categorical else "auto"
    part = slice(0, shape.rows)
    data = lightgbm.Dataset(values[part], target[part], params={"verbose": -1}, categorical_feature=categorical)
    asked = values[shape.rows :].copy()
    for special in (np.inf, -np.inf, 0.0, -0.0, 1e-36, 1e30):
        asked[random.random(asked.shape) < 0.005] = special
    return lightgbm.train(parameters, data, num_boost_round=shape.trees), asked


def write_tensor_graphs(booster: lightgbm.Booster, name: str, folder: Path) -> str:
    """Write the forest as tensor operations, and say "" or what is missing."""
    try:
        from headrace.packaging.export import export_tensor_leaf_index, export_tensor_raw_score
    except ImportError:
        return "this checkout has no exporter of tensor graphs"
    (folder / f"{name}.cuda.raw.onnx").write_bytes(export_tensor_raw_score(booster))
    (folder / f"{name}.cuda.leaf.onnx").write_bytes(export_tensor_leaf_index(booster))
    return ""


if __name__ == "__main__":
    sys.exit(main())
