"""Evaluate expressions with Arrow: null operands give null, and/or follow Kleene's logic, integers overflow loudly."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from headrace.core.errors import DefinitionError, InvalidInputError, did_you_mean
from headrace.features.definition.expressions import Binary, Call, Column, Expression, Literal, Unary
from headrace.features.executor.function_evaluation import call_function
from headrace.features.planning.subexpressions import SharedValues

if TYPE_CHECKING:
    Resolve = Callable[[Expression], Any]

_FUNCTIONS = {
    "add": "add_checked",
    "sub": "subtract_checked",
    "mul": "multiply_checked",
    "gt": "greater",
    "ge": "greater_equal",
    "lt": "less",
    "le": "less_equal",
    "eq": "equal",
    "ne": "not_equal",
    "and": "and_kleene",
    "or": "or_kleene",
    "not": "invert",
    "neg": "negate_checked",
    "abs": "abs_checked",
    "year": "year",
}
_US_PER_HOUR = 3_600_000_000.0


def evaluate_on_table(expression: Expression, table: pa.Table) -> pa.Array:
    """Evaluate an expression of columns on a table's rows.

    Args:
        expression: a tree whose leaves are columns and literals.
        table: pyarrow.Table[n_rows]; nulls give nulls.

    Returns:
        pyarrow.Array[n_rows], one chunk.

    Raises:
        DefinitionError: a column is missing, types do not fit, or the expression needs a state or a query time.
        InvalidInputError: integer arithmetic overflows.
    """

    def resolve(leaf: Expression) -> Any:
        if not isinstance(leaf, Column):
            raise DefinitionError(
                f"'{leaf}' cannot be evaluated on a table alone",
                hint="only columns and literals can; make it a feature",
            )
        if leaf.name not in table.column_names:
            hint = did_you_mean(leaf.name, table.column_names)
            raise DefinitionError(f"'{expression}' reads column '{leaf.name}', which is not there", hint=hint)
        return table.column(leaf.name)

    return evaluate(expression, resolve, table.num_rows)


def evaluate(expression: Expression, resolve: Resolve, n_rows: int, *, shared: SharedValues | None = None) -> pa.Array:
    """Evaluate an expression whose leaves `resolve` looks up.

    Args:
        expression: the tree.
        resolve: gives pyarrow.Array or ChunkedArray[n_rows] for a column, state or query time.
        n_rows: length of the result, also where every leaf is a literal.
        shared: values of operations that other expressions of the plan hold too, computed once.

    Returns:
        pyarrow.Array[n_rows], one chunk.

    Raises:
        DefinitionError: types do not fit.
        InvalidInputError: integer arithmetic overflows.
    """
    try:
        value = _value(expression, resolve, shared)
    except (pa.ArrowNotImplementedError, pa.ArrowTypeError) as error:
        raise DefinitionError(f"'{expression}' does not fit its columns' types: {error}") from error
    except pa.ArrowInvalid as error:
        raise InvalidInputError(f"'{expression}': {error}") from error
    if isinstance(value, pa.Scalar):
        return pa.repeat(value, n_rows)
    return value.combine_chunks() if isinstance(value, pa.ChunkedArray) else value


def _value(expression: Expression, resolve: Resolve, shared: SharedValues | None) -> Any:
    key = shared.key(expression) if shared is not None else None
    if shared is None or key is None:
        return _computed(expression, resolve, shared)
    value = shared.take(key)
    if value is None:
        value = _computed(expression, resolve, shared)
        shared.keep(key, value)
    return value


def _computed(expression: Expression, resolve: Resolve, shared: SharedValues | None) -> Any:
    match expression:
        case Literal(value):
            return pa.scalar(value)
        case Unary(operator, operand):
            return _apply(operator, [_value(operand, resolve, shared)])
        case Binary(operator, left, right):
            return _apply(operator, [_value(left, resolve, shared), _value(right, resolve, shared)])
        case Call(function, operands, parameters):
            return call_function(function, [_value(operand, resolve, shared) for operand in operands], parameters)
        case _:
            return resolve(expression)


def _apply(operator: str, operands: list[Any]) -> Any:
    if operator == "is_null":
        return pc.is_null(operands[0])
    if operator == "hours_since_epoch":
        stamps = pc.cast(operands[0], pa.timestamp("us", "UTC"))
        return pc.divide(pc.cast(pc.cast(stamps, pa.int64()), pa.float64()), _US_PER_HOUR)
    if operator == "div":
        return pc.divide(*(pc.cast(side, pa.float64()) for side in operands))
    return pc.call_function(_FUNCTIONS[operator], operands)
