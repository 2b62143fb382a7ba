"""A recognised graph as a backend: the native kernel's sums, and the graph's last step in the same arithmetic."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from headrace.core.errors import UnimplementedError
from headrace.core.logging import get_logger
from headrace.serving.batching.tickets import Arrays
from headrace.serving.runtime.backend import Placement, Runner, Tensor
from headrace.serving.runtime.forest.graph import FLOAT32, FLOAT64, INT64, Graph, Value, read_graph
from headrace.serving.runtime.forest.recognise import Recognised, recognise
from headrace_kernels.forests import ClassRule

if TYPE_CHECKING:
    from headrace_kernels.native.forest import CompiledForest

_LOG = get_logger("serving")
_DATATYPES = {FLOAT32: "FP32", FLOAT64: "FP64", INT64: "INT64"}


class ForestBackend:
    """One forest, ready to run; safe to run from several threads.

    Args:
        graph: the graph.
        recognised: what it computes.
        compiled: its trees in the kernel.
        instructions: what the kernel uses.
    """

    name = "forest"

    def __init__(self, graph: Graph, recognised: Recognised, compiled: CompiledForest, instructions: str) -> None:
        self.placement = Placement("cpu")
        self.inputs = tuple(tensor_of(value) for value in graph.inputs)
        self.outputs = tuple(tensor_of(value) for value in graph.outputs)
        self.details: Mapping[str, str] = {
            "instructions": instructions,
            "trees": str(len(recognised.forest.tree_root)),
            "leaves": str(len(recognised.forest.leaf_values)),
        }
        self._recognised = recognised
        self._compiled = compiled

    def run(self, inputs: Arrays) -> Arrays:
        """Run the forest from any thread; the answer is the caller's to keep. As `Runner.run` otherwise."""
        return self.runner().run(inputs)

    def runner(self) -> Runner:
        """A runner for one thread."""
        return ForestRunner(self._recognised, self._compiled)


class ForestRunner:
    """Runs one forest on one thread at a time, in memory that it uses again.

    Invariant: all buffers have the same number of rows, and no run needs more.
    """

    def __init__(self, recognised: Recognised, compiled: CompiledForest) -> None:
        from headrace_kernels.native import forest as kernel  # absent where it could not be built

        self._kernel = kernel
        self._score = compiled.score
        self._rule = recognised.rule
        self._picks = recognised.picks
        self._n_targets = recognised.forest.n_targets
        self._dtype = recognised.forest.leaf_values.dtype
        self._resize(0)

    def run(self, inputs: Arrays) -> Arrays:
        """Run the forest; the answer is valid until the next run.

        Args:
            inputs: float32[n_rows, n_features].
        """
        rows = np.ascontiguousarray(inputs[0])
        n = rows.shape[0]
        if n > self._scores.shape[0]:
            self._resize(1 << (n - 1).bit_length())
        scores, rule = self._scores[:n], self._rule
        self._score(rows, scores)
        if rule is None:
            return (scores,)
        predictions = self._predictions[:n]
        if not isinstance(rule, ClassRule):
            self._kernel.link_scores(scores, rule, predictions)
            return (predictions,)
        labels = self._labels[:n]
        self._kernel.classify_scores(scores, rule, labels, predictions)
        return tuple((labels, predictions)[pick] for pick in self._picks)

    def _resize(self, n_rows: int) -> None:
        width = len(self._rule.classes) if isinstance(self._rule, ClassRule) else self._n_targets
        self._scores: np.ndarray[Any, Any] = np.empty((n_rows, self._n_targets), self._dtype)
        self._predictions = np.empty((n_rows if self._rule else 0, width), np.float32)
        self._labels = np.empty(n_rows if self._picks else 0, np.int64)


def open_forest(model: bytes, name: str) -> ForestBackend | None:
    """Open a graph as a forest; None where it is not one, or the kernel could not be built here.

    What comes out has the bits of ONNX Runtime on one thread: trees are summed in its order and precision.

    Args:
        model: the ONNX graph.
        name: whose graph it is, for the log.
    """
    if b"TreeEnsemble" not in model:
        return None
    try:
        from headrace_kernels.native.forest import CompiledForest, available_instructions
    except ImportError:
        return None
    try:
        graph = read_graph(model)
        recognised = recognise(graph)
        compiled = CompiledForest(recognised.forest)
    except (UnimplementedError, LookupError, ValueError, TypeError, RecursionError) as error:
        # Whatever is odd about the graph is ONNX Runtime's to say, which runs it or refuses it.
        _LOG.debug("forest_not_recognised", model=name, reason=f"{type(error).__name__}: {error}")
        return None
    return ForestBackend(graph, recognised, compiled, available_instructions()[-1])


def tensor_of(value: Value) -> Tensor:
    """An input or output as backends declare it."""
    return Tensor(value.name, _DATATYPES[value.element_type], (-1, *value.shape[1:]))
