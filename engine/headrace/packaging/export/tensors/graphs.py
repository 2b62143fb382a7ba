"""Write a LightGBM model as tensor operations that CUDA has: predictions, raw scores, or leaf numbers.

The same rows reach the same leaves as in the CPU graph, and raw scores are LightGBM's bit for bit on any device that
adds float64 as IEEE 754 says. The link is the CPU graph's, node by node: on the CPU the predictions are the same bits,
on another device its `Pow` and `Log` may differ in the last bit.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx
from onnx import helper

from headrace.core.errors import InvalidInputError, UnimplementedError
from headrace.packaging.calibrator import Calibrator
from headrace.packaging.export.calibrators import with_offset
from headrace.packaging.export.export import BoosterLike, add_prediction, load_forest
from headrace.packaging.export.forest import Forest
from headrace.packaging.export.graph import FLOAT32, FLOAT64, INT32, Graph, Precision
from headrace.packaging.export.tensors.columns import add_tested, add_zeros
from headrace.packaging.export.tensors.linear import LinearLeaves
from headrace.packaging.export.tensors.operators import find_unplaced, measure
from headrace.packaging.export.tensors.paths import add_paths
from headrace.packaging.export.tensors.slots import Slots, plan_slots
from headrace.packaging.export.tensors.splits import plan_splits
from headrace.packaging.export.tensors.strategy import Strategy, choose_strategy, fits_paths
from headrace.packaging.export.tensors.sums import add_sum
from headrace.packaging.export.tensors.thresholds import add_thresholds
from headrace.packaging.export.tensors.traversal import Arrived, add_traversal

# ONNX Runtime's Gather on CUDA counts its blocks in float32, which has every whole number up to here only.
MOST_ELEMENTS = 1 << 24


def export_tensors(  # noqa: PLR0913  as `export_lightgbm`
    source: BoosterLike | str,
    *,
    input_name: str = "features",
    output_name: str = "score",
    start_iteration: int = 0,
    num_iteration: int | None = None,
    calibrator: Calibrator | None = None,
    strategy: Strategy | None = None,
) -> bytes:
    """Write predictions; arguments and result as of `export_lightgbm`.

    Args:
        source: a booster, or a model text.
        input_name: name of the input, float32[-1, n_features].
        output_name: name of the output, float32[-1, 1], or [-1, n_classes] for several classes.
        start_iteration: first iteration used.
        num_iteration: how many, as in `export_lightgbm`.
        calibrator: as in `export_lightgbm`.
        strategy: form of the trees; None: whichever `choose_strategy` says.

    Raises:
        InvalidInputError: the text is no LightGBM model, or a calibrator or strategy is given where it cannot be.
        UnimplementedError: an objective that is not known, or sets of categories too large for look-up tables.
    """
    plain = load_forest(source, start_iteration=start_iteration, num_iteration=num_iteration)
    forest = with_offset(plain, calibrator)
    work = _Work(input_name, forest, strategy)
    prediction = add_prediction(work.graph, work.raw_scores(), plain, calibrator, offset_is_in=forest is not plain)
    return work.finish(prediction, output_name, FLOAT32, forest.outputs)


def export_tensor_raw_score(
    source: BoosterLike | str,
    *,
    input_name: str = "features",
    output_name: str = "raw_score",
    start_iteration: int = 0,
    num_iteration: int | None = None,
    strategy: Strategy | None = None,
) -> bytes:
    """Write raw scores, as Booster.predict(raw_score=True) returns them: float64[-1, outputs]."""
    forest = load_forest(source, start_iteration=start_iteration, num_iteration=num_iteration)
    work = _Work(input_name, forest, strategy)
    return work.finish(work.raw_scores(), output_name, FLOAT64, forest.outputs)


def export_tensor_leaf_index(
    source: BoosterLike | str,
    *,
    input_name: str = "features",
    output_name: str = "leaf",
    start_iteration: int = 0,
    num_iteration: int | None = None,
    strategy: Strategy | None = None,
) -> bytes:
    """Write leaf numbers, as Booster.predict(pred_leaf=True) returns them: int32[-1, n_trees]; for checking."""
    forest = load_forest(source, start_iteration=start_iteration, num_iteration=num_iteration)
    work = _Work(input_name, forest, strategy)
    return work.finish(work.leaf_numbers(), output_name, INT32, len(forest.trees))


@dataclass
class _Work:
    """One export; the parts that predictions, raw scores and leaf numbers share."""

    input_name: str
    forest: Forest
    strategy: Strategy | None

    def __post_init__(self) -> None:
        self.graph = Graph(self.input_name, self.forest.n_features, Precision.FLOAT32)
        plan = plan_splits(self.forest)
        self.slots: Slots = plan_slots(self.forest, plan)
        self.form = self.strategy or choose_strategy(self.forest, self.slots, has_codes=len(plan.flags) > 0)
        if self.form is Strategy.PATHS and not fits_paths(self.forest, self.slots):
            raise InvalidInputError("the trees have too many leaves for path matrices")
        self.tested = add_tested(self.graph, plan.columns)
        self.thresholds = add_thresholds(self.graph, self.slots, plan)

    def arrived(self) -> list[Arrived]:
        """Where rows end in the trees that have splits."""
        trees = np.flatnonzero(self.slots.depth)
        if not len(trees):
            return []
        if self.form is Strategy.PATHS:
            return [add_paths(self.graph, self.tested, self.slots, self.thresholds, self.forest, trees)]
        return add_traversal(self.graph, self.tested, self.slots, self.thresholds, trees)

    def raw_scores(self) -> str:
        """float64[n_rows, outputs]."""
        graph, forest = self.graph, self.forest
        terms: list[str | float] = [float(tree.leaf_value[0]) for tree in forest.trees]
        linear = LinearLeaves(graph, self.tested.features, self.slots, forest) if forest.is_linear else None
        ends = [*self.arrived(), *([self._single_leaves()] if linear and not self.slots.depth.all() else [])]
        plain = "" if linear else graph.constant(self.slots.at_leaves([tree.leaf_value for tree in forest.trees]))
        for end in ends:
            values = linear.add(end) if linear else graph.add("Gather", plain, end.slots, axis=0)
            for tree, row in zip(end.trees, graph.split(values, [1] * len(end.trees), axis=0), strict=True):
                terms[tree] = row
        zeros = add_zeros(graph, self.tested.features)
        sums = [add_sum(graph, terms[output :: forest.outputs], zeros) for output in range(forest.outputs)]
        together = graph.add("Concat", *sums, axis=0) if len(sums) > 1 else sums[0]
        return graph.add("Transpose", together, perm=[1, 0])

    def _single_leaves(self) -> Arrived:
        """Trees of one leaf, where that may be linear and so no constant."""
        trees = np.flatnonzero(self.slots.depth == 0)
        roots = self.graph.constant(self.slots.root[trees][:, None].astype(np.int32))
        nowhere = self.graph.cast(add_zeros(self.graph, self.tested.features), INT32)
        return Arrived(trees, self.graph.add("Add", nowhere, roots))

    def leaf_numbers(self) -> str:
        """int32[n_rows, n_trees]."""
        graph = self.graph
        zeros = graph.cast(add_zeros(graph, self.tested.features), INT32)
        rows = [zeros] * len(self.forest.trees)
        numbers = graph.constant(self.slots.leaf.astype(np.int32))
        for end in self.arrived():
            own = graph.add("Gather", numbers, end.slots, axis=0)
            for tree, row in zip(end.trees, graph.split(own, [1] * len(end.trees), axis=0), strict=True):
                rows[tree] = row
        together = graph.add("Concat", *rows, axis=0) if rows else graph.add("Gather", zeros, graph.axes(), axis=0)
        return graph.add("Transpose", together, perm=[1, 0])

    def finish(self, value: str, name: str, element_type: int, width: int) -> bytes:
        """Check that CUDA has every operator, write down what the graph needs, serialise."""
        self.graph.drop_unused(value)
        model = self.graph.finish(value, name=name, element_type=element_type, width=width)
        unplaced = find_unplaced(model)
        if unplaced:
            raise UnimplementedError(f"CUDA has no {', '.join(unplaced)}", hint="the model runs on the CPU")
        helper.set_model_props(model, self._properties(model))
        return bytes(model.SerializeToString(deterministic=True))

    def _properties(self, model: onnx.ModelProto) -> dict[str, str]:
        needs = measure(model)
        return {
            "headrace.strategy": self.form.value,
            "headrace.trees": str(len(self.forest.trees)),
            "headrace.depth": str(int(self.slots.depth.max(initial=0))),
            "headrace.bytes_per_row": str(needs.bytes_per_row),
            "headrace.most_rows": str(MOST_ELEMENTS // needs.elements_per_row),
            "headrace.moved_bytes_per_row": str(needs.moved_bytes_per_row),
            "headrace.operators": str(needs.operators),
        }
