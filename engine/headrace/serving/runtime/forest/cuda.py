"""A recognised graph on a CUDA device: sums and links by our own kernels, with the CPU's bits."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from headrace.core.errors import UnavailableError, UnimplementedError
from headrace.serving.batching.tickets import Arrays
from headrace.serving.runtime.backend import Placement, Runner
from headrace.serving.runtime.forest.backend import tensor_of
from headrace.serving.runtime.forest.graph import Graph, read_graph
from headrace.serving.runtime.forest.recognise import Recognised, recognise
from headrace_kernels.forests import ClassRule, ColumnKind

if TYPE_CHECKING:
    from headrace_kernels.cuda.device import Device as CudaDevice
    from headrace_kernels.cuda.device import DeviceArray

MEMORY_SHARE = 4
"""A batch takes at most this part of the memory that was free when the forest was opened; larger ones are cut."""


class CudaForestBackend:
    """One forest in a device's memory; safe to run from several threads, which take turns on the device.

    Args:
        graph: the graph.
        recognised: what it computes.
        device: where.

    Raises:
        ValueError: the trees contradict each other.
        DeviceError: the device's memory does not hold the trees, or the device failed.
    """

    name = "cuda_forest"

    def __init__(self, graph: Graph, recognised: Recognised, device: CudaDevice) -> None:
        from headrace_kernels.cuda.device import use
        from headrace_kernels.cuda.forest import CudaForest

        self.placement = Placement("cuda")
        self.inputs = tuple(tensor_of(value) for value in graph.inputs)
        self.outputs = tuple(tensor_of(value) for value in graph.outputs)
        self._recognised = recognised
        self._device = device
        self._turn = threading.Lock()
        with use(device):
            self._forest = CudaForest(recognised.forest)
        self._most_rows = self._rows_that_fit(int(device.free_bytes) // MEMORY_SHARE)
        self.details: Mapping[str, str] = {"cuda_device": device.name, "cuda_rows_a_run": str(self._most_rows)}

    def run(self, inputs: Arrays) -> Arrays:
        """Run the forest; the answer is the caller's to keep. As `Runner.run` otherwise.

        Raises:
            DeviceError: the device failed.
        """
        return self._run_parts(np.ascontiguousarray(inputs[0]))

    def run_there(self, rows: DeviceArray) -> Arrays:
        """Run the forest on rows that are on its device, float32[n_rows, n_features]; else as `run`.

        Raises:
            DeviceError: the device failed.
        """
        return self._run_parts(rows)

    def runner(self) -> Runner:
        """The backend itself: device memory comes from a pool, and answers are new arrays."""
        return self

    def _run_parts(self, rows: Any) -> Arrays:
        step = self._most_rows
        parts = [self._run_part(rows[first : first + step]) for first in range(0, max(1, len(rows)), step)]
        return parts[0] if len(parts) == 1 else tuple(np.concatenate(each) for each in zip(*parts, strict=True))

    def _run_part(self, rows: Any) -> Arrays:
        from headrace_kernels.cuda import device as devices
        from headrace_kernels.cuda.forest import link_scores

        rule = self._recognised.rule
        with self._turn, devices.use(self._device):
            scores = devices.empty((len(rows), self._forest.n_targets), self._forest.dtype)
            self._forest.score(devices.put(rows) if isinstance(rows, np.ndarray) else rows, scores)
            if rule is None:
                return (devices.get(scores),)
            if not isinstance(rule, ClassRule):
                predictions = devices.empty(scores.shape, np.float32)
                link_scores(scores, rule, predictions)
                return (devices.get(predictions),)
            sums = devices.get(scores)
        return self._classified(sums, rule)

    def _classified(self, scores: np.ndarray[Any, Any], rule: ClassRule) -> Arrays:
        from headrace_kernels.native import forest as kernel

        labels = np.empty(len(scores), np.int64)
        probabilities = np.empty((len(scores), len(rule.classes)), np.float32)
        kernel.classify_scores(scores, rule, labels, probabilities)
        return tuple((labels, probabilities)[pick] for pick in self._recognised.picks)

    def _rows_that_fit(self, size_bytes: int) -> int:
        row_bytes = 4 * self._forest.n_features + 24 * self._forest.n_targets  # values, sums, predictions, marks
        return max(1024, (size_bytes - self._forest.working_bytes(1 << 31)) // row_bytes)


def open_cuda_forest(model: bytes, device: CudaDevice) -> CudaForestBackend:
    """Open a graph as a forest on a device.

    Raises:
        UnavailableError: the graph is none, or the device does not take it; the message says why.
    """
    if b"TreeEnsemble" not in model:
        raise UnavailableError("the graph has no trees")
    try:
        graph = read_graph(model)
        recognised = recognise(graph)
        if isinstance(recognised.rule, ClassRule):
            import headrace_kernels.native._forest  # noqa: F401  # takes the classifier's last step
        return CudaForestBackend(graph, recognised, device)
    except ImportError as error:
        raise UnavailableError("a classifier needs the native kernels, which are not built here") from error
    except (UnimplementedError, LookupError, ValueError, TypeError, RecursionError) as error:
        raise UnavailableError(f"the graph is not recognised as a forest: {error}") from error
    except RuntimeError as error:  # of the device
        raise UnavailableError(f"the device does not take the forest: {error}") from error


def threshold_rows(model: bytes, n_rows: int) -> Arrays | None:
    """Rows of a forest's own thresholds and their neighbours, by feature; None where the graph is no forest."""
    try:
        forest = recognise(read_graph(model)).forest
    except (UnimplementedError, LookupError, ValueError, TypeError, RecursionError):
        return None
    rng = np.random.default_rng(n_rows)
    rows = rng.integers(-2, 40, (n_rows, forest.n_features)).astype(np.float32)
    compares = forest.column_kind[forest.node_column] != ColumnKind.TABLE  # categories stay the whole numbers they are
    feature_of = np.where(compares, forest.column_feature[forest.node_column], -1)
    for feature in np.unique(feature_of[compares]):
        splits = forest.node_split[feature_of == feature]
        with np.errstate(over="ignore", under="ignore"):
            near = [splits, np.nextafter(splits, np.float32(np.inf)), np.nextafter(splits, np.float32(-np.inf))]
        rows[:, feature] = rng.choice(np.concatenate(near), n_rows)
    return (rows,)
