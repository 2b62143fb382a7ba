"""Write a LightGBM model as ONNX: predictions, raw scores, or leaf numbers.

All three read float32 rows and route every row to the leaf LightGBM's own predict finds for the same values.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from headrace.core.errors import InvalidInputError
from headrace.packaging.calibrator import Calibrator
from headrace.packaging.export.calibrators import add_calibration, with_offset
from headrace.packaging.export.decisions import plan_columns
from headrace.packaging.export.ensemble import Leaves, Target, add_ensemble
from headrace.packaging.export.forest import Float64s, Forest, Tree
from headrace.packaging.export.graph import FLOAT32, FLOAT64, INT32, Graph, Precision
from headrace.packaging.export.linear import add_linear_scores
from headrace.packaging.export.links import add_link, parse_objective
from headrace.packaging.export.model_text import parse_model
from headrace.packaging.export.views import add_columns


class BoosterLike(Protocol):
    """What is asked of a lightgbm.Booster."""

    best_iteration: int

    def model_to_string(self, num_iteration: int | None = None, start_iteration: int = 0) -> str:
        """The model text."""
        ...

    def predict(self, data: Any, **arguments: Any) -> Any:
        """Predictions, leaf numbers with pred_leaf=True."""
        ...


def export_lightgbm(  # noqa: PLR0913  predict's own arguments, and what is made of them
    source: BoosterLike | str,
    *,
    input_name: str = "features",
    output_name: str = "score",
    precision: Precision = Precision.FLOAT64,
    start_iteration: int = 0,
    num_iteration: int | None = None,
    calibrator: Calibrator | None = None,
) -> bytes:
    """Write predictions, as Booster.predict returns them or calibrated, as an ONNX model.

    Args:
        source: a booster, or a model text.
        input_name: name of the input, float32[-1, n_features].
        output_name: name of the output, float32[-1, 1], or [-1, n_classes] for several classes.
        precision: arithmetic inside; linear leaves are always float64.
        start_iteration: first iteration used.
        num_iteration: how many; None is the best iteration if the booster has one, 0 or less is all, as in predict.
        calibrator: what turns raw scores into probabilities in place of the objective's own link; float64 only.

    Returns:
        A serialised ModelProto; the same model gives the same bytes.

    Raises:
        InvalidInputError: the text is no LightGBM model, or a calibrator is given where it has no meaning.
        UnimplementedError: an objective whose output transformation is not known.
    """
    plain = load_forest(source, start_iteration=start_iteration, num_iteration=num_iteration)
    if calibrator is not None and precision is not Precision.FLOAT64:
        raise InvalidInputError("a calibrator is for models of one output, with sums in float64")
    forest = with_offset(plain, calibrator)
    graph = Graph(input_name, forest.n_features, _arithmetic(forest, precision))
    raw = _add_raw_scores(graph, forest)
    if graph.element_type != FLOAT64:
        raw = graph.cast(raw, FLOAT64)
    prediction = add_prediction(graph, raw, plain, calibrator, offset_is_in=forest is not plain)
    return graph.serialize(prediction, name=output_name, element_type=FLOAT32, width=forest.outputs)


def add_prediction(graph: Graph, raw: str, forest: Forest, calibrator: Calibrator | None, *, offset_is_in: bool) -> str:
    """Add what turns raw scores, float64[n_rows, outputs], into predictions, float32 of the same shape.

    Args:
        graph: the graph to add to.
        raw: name of the sums.
        forest: the model as it was trained.
        calibrator: as in `export_lightgbm`.
        offset_is_in: whether the sums hold a Platt curve's offset.

    Raises:
        InvalidInputError: a calibrator for several outputs.
        UnimplementedError: an objective whose output transformation is not known.
    """
    if calibrator is not None:  # fitted to raw scores, which are sums even where predictions are averages
        if forest.outputs > 1:
            raise InvalidInputError("a calibrator is for models of one output, with sums in float64")
        return graph.cast(add_calibration(graph, raw, calibrator, offset_is_in=offset_is_in), FLOAT32)
    if forest.average:
        raw = graph.add("Div", raw, graph.constant(np.array(float(forest.iterations))))
    return graph.cast(add_link(graph, raw, parse_objective(forest.objective)), FLOAT32)


def export_raw_score(
    source: BoosterLike | str,
    *,
    input_name: str = "features",
    output_name: str = "raw_score",
    precision: Precision = Precision.FLOAT64,
    start_iteration: int = 0,
    num_iteration: int | None = None,
) -> bytes:
    """Write raw scores, as Booster.predict(raw_score=True) returns them: float64[-1, outputs] (or float32).

    Arguments and errors as in `export_lightgbm`; no objective is refused here.
    """
    forest = load_forest(source, start_iteration=start_iteration, num_iteration=num_iteration)
    graph = Graph(input_name, forest.n_features, _arithmetic(forest, precision))
    raw = _add_raw_scores(graph, forest)
    return graph.serialize(raw, name=output_name, element_type=graph.element_type, width=forest.outputs)


def export_leaf_index(
    source: BoosterLike | str,
    *,
    input_name: str = "features",
    output_name: str = "leaf",
    precision: Precision = Precision.FLOAT64,
    start_iteration: int = 0,
    num_iteration: int | None = None,
) -> bytes:
    """Write leaf numbers, as Booster.predict(pred_leaf=True) returns them: int32[-1, n_trees].

    For checking an export; arguments and errors as in `export_raw_score`.
    """
    forest = load_forest(source, start_iteration=start_iteration, num_iteration=num_iteration)
    graph = Graph(input_name, forest.n_features, precision)
    if not forest.trees:
        leaf = graph.rows(0, np.array(0, dtype=np.int32))
    else:
        columns = plan_columns(forest)
        matrix = add_columns(graph, columns)
        emitted = add_ensemble(graph, matrix, forest, columns, Leaves(_leaf_numbers, Target.TREE))
        leaf = graph.cast(emitted, INT32)
    return graph.serialize(leaf, name=output_name, element_type=INT32, width=len(forest.trees))


def load_forest(source: BoosterLike | str, *, start_iteration: int, num_iteration: int | None) -> Forest:
    """Read a model and keep the iterations that predict would use for the same arguments."""
    if isinstance(source, str):
        return parse_model(source).select(start_iteration, num_iteration or 0)
    best = source.best_iteration if start_iteration <= 0 else 0
    chosen = best if num_iteration is None else num_iteration
    return parse_model(source.model_to_string(num_iteration=-1)).select(start_iteration, chosen)


def _arithmetic(forest: Forest, precision: Precision) -> Precision:
    return Precision.FLOAT64 if forest.is_linear else precision


def _add_raw_scores(graph: Graph, forest: Forest) -> str:
    if not forest.trees:
        return graph.rows(forest.outputs, np.zeros(1, dtype=graph.precision.value))
    columns = plan_columns(forest)
    matrix = add_columns(graph, columns)
    if forest.is_linear:
        return add_linear_scores(graph, matrix, forest, columns)
    return add_ensemble(graph, matrix, forest, columns, Leaves(_leaf_values, Target.OUTPUT))


def _leaf_values(_position: int, tree: Tree) -> Float64s:
    return tree.leaf_value


def _leaf_numbers(_position: int, tree: Tree) -> Float64s:
    return np.arange(tree.n_leaves, dtype=np.float64)
