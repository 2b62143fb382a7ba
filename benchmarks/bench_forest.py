"""Forest inference: LightGBM's predict against the exported model in ONNX Runtime, one thread each.

300 trees of 63 leaves over 40 features, batches of 1, 8, 64 and 1,024 rows. Every call takes the next rows of a large
table, since one row repeated would flatter the caches and the branch predictor. Checked before and after timing: the
same leaf in every tree for every row, float64 raw scores equal bit for bit, probabilities within 2e-6.

    python benchmarks/bench_forest.py [--smoke] [--output build/bench/forest.json]
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import lightgbm
import numpy as np
import numpy.typing as npt
import onnxruntime
from measure import Contender, Measurement, Work, measure, write_results

from headrace.packaging.export import Precision, export_leaf_index, export_lightgbm, export_raw_score

TOLERANCE = 2e-6
BATCHES = (1, 8, 64, 1024)
Rows = npt.NDArray[np.float32]
Score = Callable[[Rows], npt.NDArray[np.generic]]


@dataclass(frozen=True)
class Size:
    """How large the model and the table are."""

    trees: int
    leaves: int
    features: int
    rows: int
    rounds: int


FULL = Size(trees=300, leaves=63, features=40, rows=20_000, rounds=31)
SMOKE = Size(trees=30, leaves=15, features=40, rows=3_000, rounds=5)


def train(size: Size) -> tuple[lightgbm.Booster, Rows]:
    """Train a binary model on noise with structure; return it and rows it has not seen, 5 % of the cells NaN."""
    random = np.random.default_rng(7)
    values = random.normal(size=(2 * size.rows, size.features)).astype(np.float32)
    values[random.random(values.shape) < 0.05] = np.nan
    known = np.nan_to_num(values)
    signal = (
        known[:, 0] + known[:, 1] * known[:, 2] + np.sin(known[:, 3:9]).sum(axis=1) + random.normal(size=len(values))
    )
    parameters = {
        "objective": "binary",
        "num_leaves": size.leaves,
        "min_data_in_leaf": 5,
        "deterministic": True,
        "num_threads": 2,
        "seed": 7,
        "verbose": -1,
    }
    data = lightgbm.Dataset(values[: size.rows], (signal > 0)[: size.rows], params={"verbose": -1})
    return lightgbm.train(parameters, data, num_boost_round=size.trees), values[size.rows :]


def open_session(model: bytes) -> Score:
    """A function that runs a model's only output on one thread."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    return lambda rows: session.run(None, {"features": rows})[0]


def check_leaves_and_sums(booster: lightgbm.Booster, rows: Rows) -> None:
    """Raise unless every row reaches LightGBM's leaf in every tree and its raw score has LightGBM's bits."""
    wide = rows.astype(np.float64)
    mismatches = np.count_nonzero(
        open_session(export_leaf_index(booster))(rows) != booster.predict(wide, pred_leaf=True)
    )
    raw = open_session(export_raw_score(booster))(rows)[:, 0]
    difference = np.abs(raw - booster.predict(wide, raw_score=True)).max()
    print(f"{len(rows)} rows x {booster.num_trees()} trees: {mismatches} leaf mismatches, raw difference {difference}")
    assert mismatches == 0
    assert difference == 0.0


def compare(scores: Mapping[str, Score], rows: Rows, batch: int, rounds: int) -> Measurement:
    """Time the contenders on one batch size, each walking through the rows at its own pace."""
    starts = range(0, len(rows) - batch + 1, batch)
    turns = {name: count() for name in scores}

    def contender(name: str) -> Contender:
        score, turn = scores[name], turns[name]

        def run() -> npt.NDArray[np.generic]:
            start = starts[next(turn) % len(starts)]
            return score(rows[start : start + batch])

        return Contender(name, run)

    def check(_answers: Mapping[str, object]) -> None:
        reference, *others = (np.ravel(score(rows[:2048])) for score in scores.values())
        for other in others:
            np.testing.assert_allclose(other, reference, rtol=0, atol=TOLERANCE)

    contenders = [contender(name) for name in scores]
    return measure(contenders, title=f"batch {batch}", check=check, work=Work(batch, "row"), rounds=rounds)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure all batch sizes, print a table each, write JSON."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--smoke", action="store_true", help="a small model and few rounds")
    parser.add_argument("--output", type=Path, default=Path("build/bench/forest.json"))
    chosen = parser.parse_args(arguments)
    size = SMOKE if chosen.smoke else FULL
    booster, rows = train(size)
    check_leaves_and_sums(booster, rows)
    scores: dict[str, Score] = {
        "LightGBM predict": lambda batch: booster.predict(batch, num_threads=1),
        "ONNX Runtime, float64": open_session(export_lightgbm(booster)),
        "ONNX Runtime, float32": open_session(export_lightgbm(booster, precision=Precision.FLOAT32)),
    }
    measurements = []
    for batch in BATCHES:
        measurements.append(compare(scores, rows, batch, size.rounds))
        print(measurements[-1].table())
    facts = {
        "trees": size.trees,
        "leaves": size.leaves,
        "features": size.features,
        "threads": 1,
        "lightgbm": lightgbm.__version__,
        "onnxruntime": onnxruntime.__version__,
    }
    write_results(chosen.output, "forest", measurements, facts)


if __name__ == "__main__":
    main()
