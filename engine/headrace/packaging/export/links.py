"""From raw scores to predictions: the output transformation of each LightGBM objective, as graph nodes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from headrace.core.errors import UnimplementedError, did_you_mean
from headrace.packaging.export.graph import Graph


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
    """Add the objective's transformation of raw scores [n_rows, outputs]; return the result's name.

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
    slope = objective.parameters.get("sigmoid", 1.0)
    scaled = raw if slope == 1.0 else graph.add("Mul", raw, graph.scalar(slope))
    return graph.add("Sigmoid", scaled)


def _softmax(graph: Graph, raw: str, _objective: Objective) -> str:
    return graph.add("Softmax", raw, axis=1)


def _exponential(graph: Graph, raw: str, _objective: Objective) -> str:
    return graph.add("Exp", raw)


def _softplus(graph: Graph, raw: str, _objective: Objective) -> str:
    """log(1 + exp(x)) as max(x, 0) + log(1 + exp(-|x|)), which neither overflows nor loses small values' scale."""
    tail = graph.add("Exp", graph.add("Neg", graph.add("Abs", raw)))
    logarithm = graph.add("Log", graph.add("Add", tail, graph.scalar(1.0)))
    return graph.add("Add", graph.add("Relu", raw), logarithm)


_Link = Callable[[Graph, str, Objective], str]
_LINKS: dict[str, _Link] = {
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
