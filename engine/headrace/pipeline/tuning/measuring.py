"""A trial's model as it will be served: exported, opened in the serving runtime, timed against the smallest forest."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from headrace.packaging.export import export_lightgbm
from headrace.serving.config import Device
from headrace.serving.runtime.backend import Backend, Runner
from headrace.serving.runtime.open_backend import open_backend
from headrace.training import SplitMasks, TrainedModel, TrainingData, TrainingSettings, bin_data, boost
from headrace.training.tuning import Measured

MEASURE_S = 0.4
FEWEST_ROUNDS = 7
"""Rounds are as many as fit into the time, these at least."""

CALLS = 400
"""Single rows in a round, of each model: the 99th percentile is then the fourth slowest."""

ROUND_S = 0.02
"""Longest time that one model takes in a round; a slow one gets fewer calls, and at least `FEWEST_CALLS`."""

FEWEST_CALLS = 100

QUIET = 0.1
"""Which quantile of the rounds stands for all: beside other work, medians of equal models differed twofold."""

SAMPLE_ROWS = 512
FLOOR_ROWS = 5_000


class CompiledMeasure:
    """Measures the 99th percentile of one row's latency and the size of the compiled model.

    The model and the smallest forest take turns, some hundred rows each, the order changing from round to round; a
    percentile is taken of each round, and of the rounds one of the quieter ones: other work on the machine only adds.
    Rows differ from call to call: with one row again and again, a branch predictor learns its way through every tree.

    Args:
        rows: float32[n, F], real rows in the model's order.
        floor: a model of the same features that is as small as one can be.
    """

    def __init__(self, rows: npt.NDArray[np.float32], floor: TrainedModel) -> None:
        self._rows = [np.ascontiguousarray(row[None, :]) for row in rows]
        self._floor, _ = _compile(floor, "floor")

    def __call__(self, model: TrainedModel) -> Measured:
        """Compile and measure; about half a second."""
        compiled, size_bytes = _compile(model, "trial")
        own, floor = compiled.runner(), self._floor.runner()
        calls = self._calls(own)
        self._p99_us(floor, calls)
        found: dict[str, list[float]] = {"own": [], "floor": []}
        until = time.perf_counter() + MEASURE_S
        while len(found["own"]) < FEWEST_ROUNDS or time.perf_counter() < until:
            turns = [("own", own), ("floor", floor)]
            for name, runner in turns if len(found["own"]) % 2 else reversed(turns):
                found[name].append(self._p99_us(runner, calls))
        own_us, floor_us = (float(np.quantile(found[name], QUIET)) for name in ("own", "floor"))
        return Measured(own_us, floor_us, size_bytes)

    def _calls(self, runner: Runner) -> int:
        each_us = max(self._p99_us(runner, FEWEST_CALLS), 0.1)
        return int(min(CALLS, max(FEWEST_CALLS, ROUND_S * 1e6 / each_us)))

    def _p99_us(self, runner: Runner, calls: int) -> float:
        rows, clock, run = self._rows, time.perf_counter_ns, runner.run
        times = np.empty(calls, np.int64)
        for call in range(calls):
            row = (rows[call % len(rows)],)
            began = clock()
            run(row)
            times[call] = clock() - began
        return float(np.percentile(times, 99)) / 1e3


def smallest_forest(data: TrainingData, settings: TrainingSettings) -> TrainedModel:
    """One round of trees with two leaves, with the features and the outputs of the real models."""
    few = np.zeros(data.split.train.shape, np.bool_)
    few[np.flatnonzero(data.split.train)[:FLOOR_ROWS]] = True
    part = data.with_split(SplitMasks(few, data.split.valid, np.zeros_like(few)))
    tiny = replace(settings, params={"num_leaves": 2}, rounds=1, early_stopping_rounds=0, class_weight="")
    return boost(bin_data(part, tiny), tiny)


def sample_rows(data: TrainingData) -> npt.NDArray[np.float32]:
    """Rows of the validation part to measure with, evenly spaced."""
    rows = np.flatnonzero(data.split.valid)
    chosen = rows[np.linspace(0, rows.size - 1, min(rows.size, SAMPLE_ROWS)).astype(np.int64)]
    return np.ascontiguousarray(data.values[chosen])


def _compile(model: TrainedModel, name: str) -> tuple[Backend, int]:
    graph = export_lightgbm(model.booster, num_iteration=model.best_iteration)
    return open_backend(graph, device=Device.CPU, name=name), len(graph)
