"""Forests in the CUDA kernel: LightGBM's sums bit for bit, and its speed beside ONNX Runtime's graph on CUDA."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import onnx_cuda
from findings import Finding, Setting, equal, measured, missing
from forest_files import BATCH, ForestFiles, read_forests, why_none
from timing import seconds_each, seconds_median

from headrace_kernels.cuda import device
from headrace_kernels.cuda.device import DeviceArray

BAR = 2.0


def run(setting: Setting) -> Iterator[Finding]:
    """Every prepared forest, then the speed of the first."""
    forests = read_forests(setting.inputs)
    if not forests:
        yield missing("forests in the CUDA kernel", why_none(setting.inputs))
        return
    for files in forests:
        yield check_forest(files, setting)
    yield from measure_forest(forests[0], setting)


def check_forest(files: ForestFiles, setting: Setting) -> Finding:
    """Raw scores of the prepared rows, and of a batch in which all of them come again."""
    from headrace_kernels.cuda.forest import CudaForest

    rows, wanted = files.arrays["rows"], files.arrays["scores"]
    if setting.emulated:
        rows, wanted = rows[:150], wanted[:150]
    forest = CudaForest(files.forest)
    problem = ""
    for times in (1, setting.size(16, 10, 1)):
        held = device.put(np.tile(rows, (times, 1)))
        scores = device.empty((len(rows) * times, wanted.shape[1]), files.forest.leaf_values.dtype)
        forest.score(held, scores)
        same = device.get(scores).astype(np.float64).tobytes() == np.tile(wanted, (times, 1)).tobytes()
        problem = problem or ("" if same else f"sums of {len(rows) * times:,} rows differ from LightGBM's")
    return equal(f"kernel, forest '{files.name}'", problem, f"{len(rows):,} rows, alone and in a large batch")


def measure_forest(files: ForestFiles, setting: Setting) -> Iterator[Finding]:
    """65,536 rows on the device, beside ONNX Runtime's CUDA graph with its rows there too."""
    from headrace_kernels.cuda.forest import CudaForest

    rows = files.batch(setting.size(BATCH, 8192, 128))
    forest, held = CudaForest(files.forest), device.put(rows)
    scores: DeviceArray = device.empty((len(rows), files.forest.n_targets), files.forest.leaf_values.dtype)
    seconds = seconds_each(lambda: forest.score(held, scores), rounds=setting.size(50, 20, 1))
    detail = f"batch {len(rows):,} in {seconds * 1e3:.3f} ms, rows and sums on the device"
    yield measured("forest kernel", len(rows) / seconds / 1e6, "million rows/s", detail)
    if setting.emulated or files.lacks or onnx_cuda.choose_provider(files, setting)[0] != onnx_cuda.CUDA:
        yield missing("forest kernel over ONNX Runtime CUDA", "no tensor graph runs on CUDA here")
        return
    score, _ = onnx_cuda.bind(onnx_cuda.open_session(files.graph("cuda.raw"), onnx_cuda.CUDA), rows)
    graph_s = seconds_median(score, rounds=20)
    detail = f"batch {len(rows):,}: {seconds * 1e3:.3f} ms, the graph {graph_s * 1e3:.3f} ms"
    yield measured("forest kernel over ONNX Runtime CUDA", graph_s / seconds, "x the graph's speed", detail, bar=BAR)
