"""Functions of several values in expressions: `hr.haversine(...)`, `hr.cross(...)`, `hr.if_else(...)`.

A null operand gives null, except in `coalesce`; a NaN operand gives NaN where a number comes out.
"""

from __future__ import annotations

from headrace.core.errors import DefinitionError
from headrace.features.definition.expressions import Call, Expression, Scalar, as_expression, column


def haversine(lat1: Expression | str, lon1: Expression | str, lat2: Expression | str, lon2: Expression | str) -> Call:
    """Kilometres between two points on a sphere of the Earth's mean radius (6371.0088 km); degrees; names are columns.

    NaN where a coordinate is NaN or infinite.
    """
    return Call("haversine", tuple(_operand(value) for value in (lat1, lon1, lat2, lon2)))


def minimum(first: Expression | Scalar, second: Expression | Scalar) -> Call:
    """The smaller of two numbers, row by row."""
    return Call("minimum", (as_expression(first), as_expression(second)))


def maximum(first: Expression | Scalar, second: Expression | Scalar) -> Call:
    """The larger of two numbers, row by row."""
    return Call("maximum", (as_expression(first), as_expression(second)))


def coalesce(*values: Expression | Scalar) -> Call:
    """The first value that is not null; NaN is a value.

    Raises:
        DefinitionError: fewer than two values.
    """
    if len(values) < 2:
        raise DefinitionError("coalesce needs at least two values")
    return Call("coalesce", tuple(as_expression(value) for value in values))


def if_else(condition: Expression, then: Expression | Scalar, otherwise: Expression | Scalar) -> Call:
    """One of two values; null where the condition is null."""
    return Call("if_else", (as_expression(condition), as_expression(then), as_expression(otherwise)))


def cross(*values: Expression | str) -> Call:
    r"""The combination of categories as one category, `AA|JFK`, for an encoder; names are columns.

    Null where a part is null. A `|` or `\` inside a part is escaped by `\`, so different parts never read the same.

    Raises:
        DefinitionError: fewer than two values.
    """
    if len(values) < 2:
        raise DefinitionError("cross needs at least two columns")
    return Call("cross", tuple(_operand(value) for value in values))


def _operand(value: Expression | str) -> Expression:
    return column(value) if isinstance(value, str) else as_expression(value)
