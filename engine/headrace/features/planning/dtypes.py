"""The column types features understand, by the names tables declare, and what an expression of them gives."""

from __future__ import annotations

from collections.abc import Callable

from headrace.core.errors import DefinitionError
from headrace.features.definition.expressions import Binary, Call, Expression, Literal, QueryTime, Unary

INTEGERS = frozenset({"int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "bool"})
FLOATS = frozenset({"float32", "float64"})
NUMBERS = INTEGERS | FLOATS
TIMESTAMP = "timestamp"
KEYS = INTEGERS | {"string"}

_ARITHMETIC = {"add", "sub", "mul"}
_COMPARISON = {"gt", "ge", "lt", "le", "eq", "ne"}


def expression_dtype(expression: Expression, dtype_of: Callable[[Expression], str]) -> str:
    """Type of an expression's value: `int64`, `float64`, `bool`, `string` or `timestamp`.

    Args:
        expression: the tree.
        dtype_of: gives the declared type of a column, state or feature, or raises.

    Raises:
        DefinitionError: an operation does not fit its operands' types.
    """
    match expression:
        case Literal(value):
            return {bool: "bool", int: "int64", float: "float64", str: "string"}[type(value)]
        case QueryTime():
            return TIMESTAMP
        case Unary(operator, operand):
            return _unary_dtype(expression, operator, expression_dtype(operand, dtype_of))
        case Binary(operator, left, right):
            return _binary_dtype(
                expression, operator, expression_dtype(left, dtype_of), expression_dtype(right, dtype_of)
            )
        case Call(_, operands, _):
            return _call_dtype(expression, [expression_dtype(operand, dtype_of) for operand in operands])
        case _:
            return _widened(dtype_of(expression))


def _widened(dtype: str) -> str:
    if dtype in FLOATS:
        return "float64"
    return "int64" if dtype in INTEGERS and dtype != "bool" else dtype


def _unary_dtype(expression: Expression, operator: str, operand: str) -> str:
    if operator == "is_null":
        return "bool"
    if operator == "not" and operand == "bool":
        return "bool"
    if operator == "year" and operand == TIMESTAMP:
        return "int64"
    if operator == "hours_since_epoch" and operand == TIMESTAMP:
        return "float64"
    if operator in {"neg", "abs"} and operand in {"int64", "float64"}:
        return operand
    raise DefinitionError(f"'{expression}': {operator} does not work on a {operand}")


def _binary_dtype(expression: Expression, operator: str, left: str, right: str) -> str:
    numeric = left in {"int64", "float64"} and right in {"int64", "float64"}
    if operator in _ARITHMETIC and numeric:
        return "float64" if "float64" in {left, right} else "int64"
    if operator == "div" and numeric:
        return "float64"
    if operator in _COMPARISON and (numeric or left == right):
        return "bool"
    if operator in {"and", "or"} and left == right == "bool":
        return "bool"
    raise DefinitionError(f"'{expression}' combines a {left} and a {right}, which do not fit together")


def _call_dtype(call: Call, operands: list[str]) -> str:
    """Type of a function's value.

    Raises:
        DefinitionError: the function does not take operands of these types.
    """
    numbers = all(dtype in {"int64", "float64"} for dtype in operands)
    match call.function:
        case "haversine" | "sqrt" | "log1p" if numbers:
            return "float64"
        case "minimum" | "maximum" | "clip" if numbers:
            whole = all(not isinstance(bound, float) for bound in call.parameters)
            return "int64" if whole and set(operands) == {"int64"} else "float64"
        case "coalesce" if numbers or len(set(operands)) == 1:
            return _joined(operands)
        case "if_else" if operands[0] == "bool" and (
            set(operands[1:]) <= {"int64", "float64"} or len({*operands[1:]}) == 1
        ):
            return _joined(operands[1:])
        case "is_in" if operands[0] == {str: "string", int: "int64", bool: "bool"}[type(call.parameters[0])]:
            return "bool"
        case "cross" if set(operands) <= {"int64", "bool", "string"}:
            return "string"
    raise DefinitionError(f"'{call}': {call.function} does not work on a {' and a '.join(operands)}")


def _joined(dtypes: list[str]) -> str:
    return "float64" if "float64" in dtypes else dtypes[0]
