"""Forest inference: LightGBM's predict, the exported model in ONNX Runtime, and in the native kernel; one thread each.

300 trees of 63 leaves over 40 features, batches of 1, 8, 64, 256 and 1,024 rows. Every call takes the next rows of a
large table, since one row repeated would flatter the caches and the branch predictor. Checked before and after timing:
the same leaf in every tree for every row, float64 raw scores equal bit for bit, probabilities within 2e-6, those of the
native kernel and ONNX Runtime equal bit for bit. A second comparison has the kernel's ways alone, each instruction set.

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
from headrace.serving.runtime.forest import open_forest
from headrace.serving.runtime.forest.graph import read_graph
from headrace.serving.runtime.forest.recognise import recognise

TOLERANCE = 2e-6
BATCHES = (1, 8, 64, 256, 1024)
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


def open_native(model: bytes) -> Score:
    """A function that runs a model's only output in the native kernel, as a server would."""
    forest = open_forest(model, "benchmark")
    if forest is None:
        raise SystemExit("the native forest is not built here: `headrace doctor` says what is missing")
    runner = forest.runner()
    return lambda rows: runner.run((rows,))[0]


def open_kernels(model: bytes) -> dict[str, Score]:
    """The kernel's ways to the raw scores: blocks of rows with each set of instructions, rows one by one."""
    from headrace_kernels.native.forest import CompiledForest, available_instructions

    forest = recognise(read_graph(model)).forest

    def score_with(instructions: str, method: str) -> Score:
        compiled = CompiledForest(forest, instructions=instructions, method=method)
        scores = np.empty((max(2048, *BATCHES), 1))

        def score(rows: Rows) -> npt.NDArray[np.generic]:
            compiled.score(rows, scores[: len(rows)])
            return scores[: len(rows)]

        return score

    names = available_instructions()
    walks = {"rows one by one": score_with(names[-1], "walk")}
    return walks | {f"blocks, {name}": score_with(name, "blocks") for name in names}


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


@dataclass(frozen=True)
class Comparison:
    """Ways to score the same rows: all within `tolerance` of the first, the two of `equal` with the same bits."""

    title: str
    scores: Mapping[str, Score]
    tolerance: float
    equal: tuple[str, str]


def compare(comparison: Comparison, rows: Rows, batch: int, rounds: int) -> Measurement:
    """Time the contenders on one batch size, each walking through the rows at its own pace."""
    scores = comparison.scores
    starts = range(0, len(rows) - batch + 1, batch)
    turns = {name: count() for name in scores}

    def contender(name: str) -> Contender:
        score, turn = scores[name], turns[name]

        def run() -> npt.NDArray[np.generic]:
            start = starts[next(turn) % len(starts)]
            return score(rows[start : start + batch])

        return Contender(name, run)

    def check(_answers: Mapping[str, object]) -> None:
        found = {name: np.ravel(score(rows[:2048])).copy() for name, score in scores.items()}
        reference, *others = found.values()
        for other in others:
            np.testing.assert_allclose(other, reference, rtol=0, atol=comparison.tolerance)
        one, two = comparison.equal
        assert found[one].tobytes() == found[two].tobytes()

    contenders = [contender(name) for name in scores]
    return measure(
        contenders, title=f"{comparison.title}, batch {batch}", check=check, work=Work(batch, "row"), rounds=rounds
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure all batch sizes, print a table each, write JSON."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--smoke", action="store_true", help="a small model and few rounds")
    parser.add_argument("--output", type=Path, default=Path("build/bench/forest.json"))
    chosen = parser.parse_args(arguments)
    size = SMOKE if chosen.smoke else FULL
    booster, rows = train(size)
    check_leaves_and_sums(booster, rows)
    model, raw = export_lightgbm(booster), export_raw_score(booster)
    scores: dict[str, Score] = {
        "LightGBM predict": lambda batch: booster.predict(batch, num_threads=1),
        "ONNX Runtime, float64": open_session(model),
        "ONNX Runtime, float32": open_session(export_lightgbm(booster, precision=Precision.FLOAT32)),
        "native forest": open_native(model),
    }
    sums = {"ONNX Runtime, sums": open_session(raw), **open_kernels(raw)}
    comparisons = (
        Comparison("predictions", scores, TOLERANCE, ("ONNX Runtime, float64", "native forest")),
        Comparison("sums", sums, 0.0, ("ONNX Runtime, sums", "rows one by one")),
    )
    measurements = []
    for comparison in comparisons:
        for batch in BATCHES:
            measurements.append(compare(comparison, rows, batch, size.rounds))
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
