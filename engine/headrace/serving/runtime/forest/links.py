"""What a graph does with the sums of its trees: the exporter's links, which the kernel computes with the same bits.

`headrace.packaging.export.links` writes them.
"""

from __future__ import annotations

from typing import Any

from headrace.core.errors import UnimplementedError
from headrace.serving.runtime.forest.graph import FLOAT64, Graph, Node
from headrace_kernels.forests import Link, LinkRule

_SUMS = "sums"
_PLAIN = {"Add", "Sub", "Mul", "Div", "Pow", "Abs", "Reciprocal"}


def read_link(graph: Graph, node: Node, *, float64: bool) -> LinkRule | None:
    """The link between a node's sums and the graph's only output, which is float32; None where the output is the sums.

    Args:
        graph: the whole graph.
        node: the ensemble.
        float64: whether the sums are.

    Raises:
        UnimplementedError: a transformation that is not known.
    """
    (output,) = graph.outputs
    expression = _expression(graph, output.name, node.outputs[0])
    if expression == _SUMS:
        return None
    match expression:
        case ("Cast", 1, value):
            return _read(value if float64 else _replaced(value, ("Cast", FLOAT64, _SUMS)))
    raise UnimplementedError("the output is no float32")


def _read(value: Any) -> LinkRule:
    """The rule of an expression of the sums in float64, or of their averages."""
    rule = _find(value)
    if rule is not None:
        return rule
    divisors = _divisors(value)
    for divisor in divisors:
        rule = _find(_replaced(value, ("Div", _SUMS, divisor)))
    if rule is None or len(divisors) > 1:
        raise UnimplementedError("a transformation of sums that is not known")
    return LinkRule(rule.link, rule.base, *divisors)


def _find(value: Any) -> LinkRule | None:
    rule: LinkRule | None = None
    match value:
        case "sums":
            rule = LinkRule(Link.IDENTITY)
        case ("Mul", ("Abs", "sums"), "sums"):
            rule = LinkRule(Link.SQUARE)
        case ("Pow", float(base), "sums"):
            rule = LinkRule(Link.EXPONENTIAL, base)
        case ("Reciprocal", ("Add", ("Pow", float(base), "sums"), 1.0)):
            rule = LinkRule(Link.LOGISTIC, base)
        case ("Div", ("Pow", float(base), ("Sub", "sums", ("Highest", "sums"))) as powers, ("Total", total)):
            rule = LinkRule(Link.SOFTMAX, base) if powers == total else None
    return rule


def _divisors(value: Any) -> set[float]:
    match value:
        case ("Div", "sums", float(divisor)):
            return {divisor}
        case tuple():
            return set().union(*(_divisors(each) for each in value))
    return set()


def _replaced(value: Any, part: Any) -> Any:
    """The expression with the sums in place of a part of it; the sums elsewhere become something unknown."""
    if value == part:
        return _SUMS
    if value == _SUMS:
        return "other sums"
    return tuple(_replaced(each, part) for each in value) if isinstance(value, tuple) else value


def _expression(graph: Graph, name: str, sums: str) -> Any:
    """A value as nested tuples of operators, numbers and the sums."""
    if name == sums:
        return _SUMS
    if name in graph.constants:
        constant = graph.constants[name]
        return float(constant) if constant.ndim == 0 else tuple(constant.ravel().tolist())
    node = graph.producers.get(name)
    if node is None:
        raise UnimplementedError(f"the output depends on '{name}'")
    return _operation(node, [_expression(graph, each, sums) for each in node.inputs])


def _operation(node: Node, inputs: list[Any]) -> Any:
    found: Any = None
    match node.operator, inputs:
        case "Identity", [value]:
            found = value
        case "Cast", [value]:
            found = "Cast", node.attributes.get("to"), value
        case "ReduceMax", [value, (1,)] if node.attributes.get("keepdims", 1) == 1:
            found = "Highest", value
        case "CumSum", [value, 1.0] if not node.attributes:
            found = "Running", value
        case "Gather", [("Running", value), (-1,)] if node.attributes.get("axis") == 1:
            found = "Total", value
        case operator, _ if operator in _PLAIN and not node.attributes:
            found = operator, *inputs
    if found is None:
        raise UnimplementedError(f"sums go through {node.operator}")
    return found
