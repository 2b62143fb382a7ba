"""Finds the one ensemble of a graph, and states the graph as trees and a last step; or says why it cannot."""

from __future__ import annotations

from dataclasses import dataclass

from headrace.core.errors import UnimplementedError
from headrace.serving.runtime.forest.classifier import LABELS, PROBABILITIES, read_classifier
from headrace.serving.runtime.forest.columns import read_columns
from headrace.serving.runtime.forest.ensemble import Ensemble, read_ensemble, read_old_ensemble
from headrace.serving.runtime.forest.graph import FLOAT32, FLOAT64, INT64, Graph, Node, Value
from headrace.serving.runtime.forest.links import read_link
from headrace.serving.runtime.forest.trees import build_forest
from headrace_kernels.forests import ClassRule, Forest, LinkRule

_PREFIX = "ai.onnx.ml."
_MOST_NODES_AFTER = 16  # of any link; bounds on what a strange graph costs to look at
_WIDEST = 1 << 16


@dataclass(frozen=True)
class Recognised:
    """What a graph computes.

    Attributes:
        forest: its trees.
        rule: what follows the sums; None where they are the output.
        picks: `LABELS` or `PROBABILITIES` for each of the graph's outputs where it is a classifier; else empty.
    """

    forest: Forest
    rule: LinkRule | ClassRule | None
    picks: tuple[int, ...]


def recognise(graph: Graph) -> Recognised:
    """State a graph as a forest.

    Raises:
        UnimplementedError: it is none, or not one that gives ONNX Runtime's bits.
    """
    if len(graph.inputs) != 1 or graph.inputs[0].element_type != FLOAT32 or len(graph.inputs[0].shape) != 2:
        raise UnimplementedError("the input is not one float32 matrix")
    if not 0 < graph.inputs[0].shape[1] <= _WIDEST:
        raise UnimplementedError(f"the input's width is open, or beyond {_WIDEST}")
    positions = [i for i, node in enumerate(graph.nodes) if node.operator.startswith(f"{_PREFIX}TreeEnsemble")]
    if len(positions) != 1 or len(graph.nodes) - positions[0] > _MOST_NODES_AFTER:
        raise UnimplementedError(f"{len(positions)} ensembles, or much behind one")
    node = graph.nodes[positions[0]]
    ensemble, rule, picks = _read(graph, node)
    if ensemble.n_targets > _WIDEST:
        raise UnimplementedError(f"{ensemble.n_targets} sums")
    columns = read_columns(graph, node.inputs[0])
    forest = build_forest(columns, ensemble, n_features=graph.inputs[0].shape[1])
    expected = [
        (_element_type(rule, ensemble, pick), _width(rule, ensemble, pick)) for pick in picks or (PROBABILITIES,)
    ]
    if any(not _fits(value, *each) for value, each in zip(graph.outputs, expected, strict=True)):
        raise UnimplementedError("the outputs are declared as something else")
    return Recognised(forest, rule, picks)


def _read(graph: Graph, node: Node) -> tuple[Ensemble, LinkRule | ClassRule | None, tuple[int, ...]]:
    operator = node.operator.removeprefix(_PREFIX)
    if operator == "TreeEnsembleClassifier":
        return read_classifier(graph, node)
    if len(graph.outputs) != 1:
        raise UnimplementedError(f"{len(graph.outputs)} outputs")
    if operator == "TreeEnsemble":
        ensemble = read_ensemble(node)
    elif operator == "TreeEnsembleRegressor" and node.attributes.get("post_transform", b"NONE") == b"NONE":
        ensemble = read_old_ensemble(node, what="target", n_targets=node.integer("n_targets", 0))
    else:
        raise UnimplementedError(f"{operator} with a transformation")
    return ensemble, read_link(graph, node, float64=ensemble.weights.dtype.itemsize == 8), ()


def _element_type(rule: LinkRule | ClassRule | None, ensemble: Ensemble, pick: int) -> int:
    if pick == LABELS:
        return INT64
    return FLOAT64 if rule is None and ensemble.weights.dtype.itemsize == 8 else FLOAT32


def _width(rule: LinkRule | ClassRule | None, ensemble: Ensemble, pick: int) -> int:
    """Columns of an output; 0 for labels, which have none."""
    if pick == LABELS:
        return 0
    return len(rule.classes) if isinstance(rule, ClassRule) else ensemble.n_targets


def _fits(value: Value, element_type: int, width: int) -> bool:
    trailing = () if width == 0 else (width,)
    if value.element_type != element_type or len(value.shape) != 1 + len(trailing):
        return False
    return all(declared in (-1, extent) for declared, extent in zip(value.shape[1:], trailing, strict=True))
