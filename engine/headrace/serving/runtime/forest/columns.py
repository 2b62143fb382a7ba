"""What a forest's columns are of the graph's input: features as they are, with zeros missing, or as categories.

Follows the views that `headrace.packaging.export` writes (docs/decisions/0302) back to the features they were made of.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum

import numpy as np

from headrace.core.errors import UnimplementedError
from headrace.serving.runtime.forest.graph import FLOAT32, FLOAT64, INT64, Array, Graph, Node

_ZERO = float(np.float32(1e-35))
_MOST_COLUMNS = 1 << 18
_HIGHEST_EXACT = 1 << 24  # whole numbers up to here are float32


class View(Enum):
    """What became of a feature x."""

    PLAIN = "x"
    ZERO_MISSING = "NaN where |x| <= 1e-35, else x"
    CATEGORY = "floor |x| where -1 < x < limit, else -1"
    ENTRY = "the table's entry for the category"
    MAGNITUDE = "|x|"
    IS_ZERO = "|x| <= 1e-35"
    ABOVE = "x > -1"
    BELOW = "x < limit"
    KNOWN = "-1 < x < limit"
    FLOOR = "floor |x|"
    ROW = "1 + the category"


@dataclass(frozen=True, eq=False)
class Column:
    """One column of a matrix in the graph.

    Attributes:
        view: how it follows from the feature.
        feature: position in the graph's input.
        limit: number of categories, where it has any.
        entries: [limit + 1], what stands for each category, no category first, where the view is a table's entry.
    """

    view: View
    feature: int
    limit: int = 0
    entries: Array | None = None

    def numbers(self) -> Array | None:
        """Values by category, no category first; None where the column is no category's."""
        return np.arange(-1, self.limit) if self.view is View.CATEGORY else self.entries


Columns = tuple[Column, ...]


def read_columns(graph: Graph, name: str) -> Columns:
    """The columns of a matrix that is made of the graph's only input.

    Raises:
        UnimplementedError: something on the way is not understood.
    """
    (source,) = graph.inputs
    if name == source.name:
        return tuple(Column(View.PLAIN, feature) for feature in range(source.shape[1]))
    node = graph.producers.get(name)
    if node is None or node.operator not in _OPERATORS:
        raise UnimplementedError(f"'{name}' comes of {node.operator if node else 'nowhere'}")
    return _OPERATORS[node.operator](graph, node)


def _cast(graph: Graph, node: Node) -> Columns:
    columns = read_columns(graph, node.inputs[0])
    whole = all(column.view is View.ROW for column in columns)
    if node.attributes.get("to") not in ((INT64,) if whole else (FLOAT32, FLOAT64)):
        raise UnimplementedError(f"a cast to {node.attributes.get('to')}")
    return columns


def _gather(graph: Graph, node: Node) -> Columns:
    source, positions = node.inputs
    if node.attributes.get("axis", 0) == 1:
        columns = read_columns(graph, source)
        return tuple(columns[position] for position in np.atleast_1d(_constant(graph, positions)))
    (row,) = _all(read_columns(graph, positions), View.ROW)
    table = _constant(graph, source)
    if table.ndim != 2 or len(table) != row.limit + 1:
        raise UnimplementedError(f"a table of shape {list(table.shape)} for {row.limit} categories")
    return tuple(replace(row, view=View.ENTRY, entries=entries) for entries in table.T)


def _concat(graph: Graph, node: Node) -> Columns:
    if node.attributes.get("axis") != 1:
        raise UnimplementedError("columns are joined one below another")
    columns = tuple(column for name in node.inputs for column in read_columns(graph, name))
    if len(columns) > _MOST_COLUMNS:
        raise UnimplementedError(f"{len(columns)} columns")
    return columns


def _abs(graph: Graph, node: Node) -> Columns:
    return _become(_all(read_columns(graph, node.inputs[0]), View.PLAIN), View.MAGNITUDE)


def _floor(graph: Graph, node: Node) -> Columns:
    return _become(_all(read_columns(graph, node.inputs[0]), View.MAGNITUDE), View.FLOOR)


def _less_or_equal(graph: Graph, node: Node) -> Columns:
    _expect(graph, node.inputs[1], _ZERO)
    return _become(_all(read_columns(graph, node.inputs[0]), View.MAGNITUDE), View.IS_ZERO)


def _greater(graph: Graph, node: Node) -> Columns:
    _expect(graph, node.inputs[1], -1.0)
    return _become(_all(read_columns(graph, node.inputs[0]), View.PLAIN), View.ABOVE)


def _less(graph: Graph, node: Node) -> Columns:
    columns = _all(read_columns(graph, node.inputs[0]), View.PLAIN)
    limits = np.broadcast_to(_constant(graph, node.inputs[1]), len(columns))
    if not ((limits == np.floor(limits)) & (limits >= 1) & (limits < _HIGHEST_EXACT)).all():
        raise UnimplementedError("categories end at a number that is not whole, or too large")
    return tuple(replace(each, view=View.BELOW, limit=int(limit)) for each, limit in zip(columns, limits, strict=True))


def _and(graph: Graph, node: Node) -> Columns:
    above = _all(read_columns(graph, node.inputs[0]), View.ABOVE)
    return _become(_matching(above, _all(read_columns(graph, node.inputs[1]), View.BELOW)), View.KNOWN)


def _where(graph: Graph, node: Node) -> Columns:
    condition, true, false = node.inputs
    columns = read_columns(graph, condition)
    if all(column.view is View.IS_ZERO for column in columns):
        _expect(graph, true, math.nan)
        return _become(_matching(columns, _all(read_columns(graph, false), View.PLAIN)), View.ZERO_MISSING)
    _expect(graph, false, -1.0)
    floors = _all(read_columns(graph, true), View.FLOOR)
    return _become(_matching(floors, _all(columns, View.KNOWN)), View.CATEGORY)


def _add(graph: Graph, node: Node) -> Columns:
    _expect(graph, node.inputs[1], 1.0)
    return _become(_all(read_columns(graph, node.inputs[0]), View.CATEGORY), View.ROW)


def _all(columns: Columns, view: View) -> Columns:
    if any(column.view is not view for column in columns):
        raise UnimplementedError(f"columns that are not '{view.value}'")
    return columns


def _become(columns: Columns, view: View) -> Columns:
    return tuple(replace(column, view=view) for column in columns)


def _matching(first: Columns, second: Columns) -> Columns:
    """The second columns, which must be of the same features as the first."""
    if [column.feature for column in first] != [column.feature for column in second]:
        raise UnimplementedError("columns of different features meet")
    return second


def _constant(graph: Graph, name: str) -> Array:
    if name not in graph.constants:
        raise UnimplementedError(f"'{name}' is no constant")
    return graph.constants[name]


def _expect(graph: Graph, name: str, value: float) -> None:
    constant = _constant(graph, name)
    if constant.size != 1 or not np.array_equal(constant.reshape(()), value, equal_nan=True):
        raise UnimplementedError(f"constant '{name}' is not {value}")


_OPERATORS: dict[str, Callable[[Graph, Node], Columns]] = {
    "Abs": _abs,
    "Add": _add,
    "And": _and,
    "Cast": _cast,
    "Concat": _concat,
    "Floor": _floor,
    "Gather": _gather,
    "Greater": _greater,
    "Less": _less,
    "LessOrEqual": _less_or_equal,
    "Where": _where,
}
