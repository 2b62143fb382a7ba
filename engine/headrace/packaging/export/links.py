"""From raw scores to predictions: the output transformation of each LightGBM objective, as graph nodes.

Always float64, and only from operators that compute each element the same way wherever it stands in a batch. ONNX
Runtime evaluates Exp, Sigmoid, Softmax and Log several elements at a time and the rest singly, with other last bits,
so the same row could score differently in another batch. Pow goes through the C library element by element.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from headrace.core.errors import UnimplementedError, did_you_mean
from headrace.packaging.export.graph import Graph

_LANES = 8  # float64 elements of the widest vector register: a multiple leaves no element to the slow path


@dataclass(frozen=True)
class Objective:
    """An objective as the model text prints it: a name, `key:value` parameters and flags."""

    name: str
    parameters: dict[str, float]
    flags: frozenset[str]


def parse_objective(text: str) -> Objective:
    """Parse "binary sigmoid:1" or "regression sqrt"; an empty text is a custom objective (identity)."""
    name, *words = text.split() or ["custom"]
    pairs = [word.partition(":") for word in words]
    parameters = {key: float(value) for key, colon, value in pairs if colon}
    return Objective(name, parameters, frozenset(key for key, colon, _ in pairs if not colon))


def add_link(graph: Graph, raw: str, objective: Objective) -> str:
    """Add the objective's transformation of raw scores, float64[n_rows, outputs]; return the result's name.

    Raises:
        UnimplementedError: an objective this version does not know.
    """
    if objective.name not in _LINKS:
        raise UnimplementedError(
            f"objective '{objective.name}' has no known output transformation",
            hint=did_you_mean(objective.name, _LINKS) or f"known: {', '.join(sorted(_LINKS))}",
        )
    return _LINKS[objective.name](graph, raw, objective)


def _identity(_graph: Graph, raw: str, _objective: Objective) -> str:
    return raw


def _regression(graph: Graph, raw: str, objective: Objective) -> str:
    """Undo reg_sqrt: sign(x) * x * x; otherwise the identity."""
    return graph.add("Mul", graph.add("Abs", raw), raw) if "sqrt" in objective.flags else raw


def _sigmoid(graph: Graph, raw: str, objective: Objective) -> str:
    """1 / (1 + exp(-slope * x)), the exponential as a power of exp(-slope)."""
    base = math.exp(-objective.parameters.get("sigmoid", 1.0))
    return graph.add("Reciprocal", graph.add("Add", _power(graph, base, raw), _float64(graph, 1.0)))


def _softmax(graph: Graph, raw: str, _objective: Objective) -> str:
    highest = graph.add("ReduceMax", raw, graph.axes(1), keepdims=1)
    powers = _power(graph, math.e, graph.add("Sub", raw, highest))
    total = graph.add("Gather", graph.running_sum(powers, axis=1), graph.axes(-1), axis=1)
    return graph.add("Div", powers, total)


def _exponential(graph: Graph, raw: str, _objective: Objective) -> str:
    return _power(graph, math.e, raw)


def _softplus(graph: Graph, raw: str, _objective: Objective) -> str:
    """log(1 + exp(x)), infinite above 709.8 as in LightGBM.

    No operator takes logarithms element by element: each is repeated over a whole vector register.
    """
    above_one = graph.add("Add", _power(graph, math.e, raw), graph.constant(np.ones((1, _LANES))))
    return graph.add("Gather", graph.add("Log", above_one), graph.axes(0), axis=1)


def _power(graph: Graph, base: float, exponent: str) -> str:
    return graph.add("Pow", _float64(graph, base), exponent)


def _float64(graph: Graph, value: float) -> str:
    return graph.constant(np.array(value))


_LINKS: dict[str, Callable[[Graph, str, Objective], str]] = {
    "custom": _identity,
    "regression": _regression,
    "regression_l1": _regression,
    "huber": _regression,
    "fair": _regression,
    "quantile": _regression,
    "mape": _regression,
    "poisson": _exponential,
    "gamma": _exponential,
    "tweedie": _exponential,
    "binary": _sigmoid,
    "multiclass": _softmax,
    "multiclassova": _sigmoid,
    "cross_entropy": _sigmoid,
    "cross_entropy_lambda": _softplus,
    "lambdarank": _identity,
    "rank_xendcg": _identity,
}
