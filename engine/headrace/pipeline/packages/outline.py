"""A graph in a few figures: operators, trees, bytes; read without the `onnx` package and without running anything."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np

from headrace.core.errors import UnimplementedError
from headrace.serving.runtime.forest.graph import Graph, Node, read_graph

_ENSEMBLES = {
    "ai.onnx.ml.TreeEnsemble": "tree_roots",
    "ai.onnx.ml.TreeEnsembleRegressor": "nodes_treeids",
    "ai.onnx.ml.TreeEnsembleClassifier": "nodes_treeids",
}


def outline(model: bytes) -> dict[str, Any]:
    """Describe a graph.

    Returns:
        JSON data: `size_bytes`, and, where the graph can be read without running it, `nodes`, `operators` (name ->
        count), `trees` and `constants_bytes`; else `unread` with the reason.
    """
    try:
        graph = read_graph(model)
    except UnimplementedError as error:
        return {"size_bytes": len(model), "unread": error.message}
    operators = Counter(node.operator for node in graph.nodes)
    return {
        "size_bytes": len(model),
        "nodes": len(graph.nodes),
        "operators": dict(sorted(operators.items())),
        "trees": _trees(graph),
        "constants_bytes": sum(array.nbytes for array in graph.constants.values()),
    }


def _trees(graph: Graph) -> int:
    return sum(_trees_of(node) for node in graph.nodes if node.operator in _ENSEMBLES)


def _trees_of(node: Node) -> int:
    """Trees of an ensemble: one root each in the newer operator, one number each in the older ones."""
    numbers = node.attributes.get(_ENSEMBLES[node.operator])
    return len(np.unique(numbers)) if numbers is not None else 0
