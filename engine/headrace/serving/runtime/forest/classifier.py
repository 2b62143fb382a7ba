"""TreeEnsembleClassifier: trees, labels and probabilities in one operator, as the usual converters write it."""

from __future__ import annotations

import numpy as np

from headrace.core.errors import UnimplementedError
from headrace.serving.runtime.forest.ensemble import Ensemble, read_old_ensemble
from headrace.serving.runtime.forest.graph import FLOAT32, INT64, Graph, Node
from headrace_kernels.forests import ClassRule, Transform

LABELS, PROBABILITIES = 0, 1
"""Positions of the operator's outputs."""

_TRANSFORMS = {b"NONE": Transform.NONE, b"LOGISTIC": Transform.LOGISTIC, b"SOFTMAX": Transform.SOFTMAX}
_PASSES_ON = {"Identity", "Cast", "Mul"}


def read_classifier(graph: Graph, node: Node) -> tuple[Ensemble, ClassRule, tuple[int, ...]]:
    """A classifier's trees and last step, and which of its outputs each of the graph's is.

    Raises:
        UnimplementedError: a classifier that is not done here.
    """
    given = node.attributes
    classes = node.array("classlabels_int64s")
    transform = _TRANSFORMS.get(given.get("post_transform", b"NONE"))
    used = np.unique(node.array("class_ids")).tolist()
    single = len(classes) == 2 and used == [0]
    if transform is None or not (single or (len(classes) > 2 and used == list(range(len(classes))))):
        raise UnimplementedError(f"{len(classes)} classes, weights for {len(used)}, a transformation")
    ensemble = read_old_ensemble(node, what="class", n_targets=1 if single else len(classes))
    rule = ClassRule(transform, bool((ensemble.weights >= 0).all()), classes)
    if single and rule.all_positive and transform is Transform.LOGISTIC:
        raise UnimplementedError("weights that are all positive, which versions of ONNX Runtime transform or not")
    return ensemble, rule, tuple(_source(graph, node, output.name) for output in graph.outputs)


def _source(graph: Graph, classifier: Node, name: str) -> int:
    """Which of a classifier's outputs a value is, through nodes that change nothing."""
    while name not in classifier.outputs:
        node = graph.producers.get(name)
        if node is None or node.operator not in _PASSES_ON:
            raise UnimplementedError(f"the output depends on '{name}'")
        name = node.inputs[0]
        if node.operator == "Mul" and not _is_one(graph, node.inputs[1]):
            raise UnimplementedError("probabilities are multiplied")
        if node.operator == "Cast" and node.attributes.get("to") != _element_type(graph, classifier, name):
            raise UnimplementedError(f"a cast to {node.attributes.get('to')}")
    return classifier.outputs.index(name)


def _is_one(graph: Graph, name: str) -> bool:
    constant = graph.constants.get(name)
    return constant is not None and constant.size == 1 and bool(constant.reshape(()) == 1)


def _element_type(graph: Graph, classifier: Node, name: str) -> int:
    return INT64 if _source(graph, classifier, name) == LABELS else FLOAT32
