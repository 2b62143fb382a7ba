"""Expressions over columns: `hr.column("arr_delay") > 15`, `query_time().year() - planes["year"]`.

An expression is a small tree of pure data. `evaluation.py` evaluates it with Arrow's null rules (a null operand gives
null, and/or follow Kleene's logic), `plan_format.py` serialises it into the plan.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from headrace.core.errors import DefinitionError
from headrace.features.definition.locations import caller_location
from headrace.features.views import StateView

if TYPE_CHECKING:
    import pyarrow as pa

Scalar: TypeAlias = "bool | int | float | str"

BINARY_OPERATORS = {
    "add": "+", "sub": "-", "mul": "*", "div": "/", "gt": ">", "ge": ">=", "lt": "<", "le": "<=",
    "eq": "==", "ne": "!=", "and": "&", "or": "|",
}  # fmt: skip
UNARY_OPERATORS = ("not", "neg", "abs", "is_null", "year", "hours_since_epoch")


@dataclass(frozen=True, eq=False)
class Expression:
    """A value computed for each row; compare, calculate and combine it like a number.

    `==` builds an expression, as in other column libraries; two expressions are the same when their `str` is.
    """

    def evaluate(self, table: pa.Table) -> pa.Array:
        """Evaluate on a table's rows.

        Args:
            table: pyarrow.Table with the named columns; null rows give null.

        Raises:
            DefinitionError: a column is missing, types do not fit, or the expression needs a state or a query time.
        """
        from headrace.features.executor.evaluation import evaluate_on_table

        return evaluate_on_table(self, table)

    def named(self, name: str) -> NamedExpression:
        """Make a feature of this expression."""
        return NamedExpression(name, self)

    def year(self) -> Expression:
        """UTC calendar year of a timestamp."""
        return Unary("year", self)

    def hours_since_epoch(self) -> Expression:
        """Hours since 1970-01-01 UTC of a timestamp, as float64: subtract two for an age in hours."""
        return Unary("hours_since_epoch", self)

    def is_null(self) -> Expression:
        """Whether the value is missing; never null itself."""
        return Unary("is_null", self)

    def abs(self) -> Expression:
        """Distance from zero."""
        return Unary("abs", self)

    def sqrt(self) -> Expression:
        """Square root; NaN below zero."""
        return Call("sqrt", (self,))

    def log1p(self) -> Expression:
        """Natural logarithm of 1 + value, accurate near zero; -Inf at -1, NaN below."""
        return Call("log1p", (self,))

    def clip(self, low: float | None = None, high: float | None = None) -> Expression:
        """The value moved into [low, high]; NaN stays.

        Raises:
            DefinitionError: no bound, one that is not finite, or low above high.
        """
        bounds = [value for value in (low, high) if value is not None]
        if not bounds or not all(math.isfinite(value) for value in bounds) or bounds != sorted(bounds):
            raise DefinitionError(f"clip({low!r}, {high!r}) on '{self}': one or two finite bounds, low first")
        return Call("clip", (self,), (low, high))

    def fill_null(self, value: Expression | Scalar) -> Expression:
        """The value, or another where it is null; NaN is a value."""
        return Call("coalesce", (self, as_expression(value)))

    def is_in(self, values: Iterable[Scalar]) -> Expression:
        """Whether the value is one of several; null where it is null.

        Raises:
            DefinitionError: no value, or a float, which does not name a category.
        """
        members = tuple(dict.fromkeys(values)) if not isinstance(values, str) else ()
        if not members or len({type(member) for member in members}) > 1 or isinstance(members[0], float):
            raise DefinitionError(
                f"'{self}'.is_in({values!r}): write a list of strings, of whole numbers or of booleans"
            )
        return Call("is_in", (self,), members)

    def __add__(self, other: Expression | Scalar) -> Expression:
        return Binary("add", self, as_expression(other))

    def __radd__(self, other: Scalar) -> Expression:
        return Binary("add", as_expression(other), self)

    def __sub__(self, other: Expression | Scalar) -> Expression:
        return Binary("sub", self, as_expression(other))

    def __rsub__(self, other: Scalar) -> Expression:
        return Binary("sub", as_expression(other), self)

    def __mul__(self, other: Expression | Scalar) -> Expression:
        return Binary("mul", self, as_expression(other))

    def __rmul__(self, other: Scalar) -> Expression:
        return Binary("mul", as_expression(other), self)

    def __truediv__(self, other: Expression | Scalar) -> Expression:
        return Binary("div", self, as_expression(other))

    def __rtruediv__(self, other: Scalar) -> Expression:
        return Binary("div", as_expression(other), self)

    def __gt__(self, other: Expression | Scalar) -> Expression:
        return Binary("gt", self, as_expression(other))

    def __ge__(self, other: Expression | Scalar) -> Expression:
        return Binary("ge", self, as_expression(other))

    def __lt__(self, other: Expression | Scalar) -> Expression:
        return Binary("lt", self, as_expression(other))

    def __le__(self, other: Expression | Scalar) -> Expression:
        return Binary("le", self, as_expression(other))

    def __eq__(self, other: Expression | Scalar) -> Expression:  # type: ignore[override]
        return Binary("eq", self, as_expression(other))

    def __ne__(self, other: Expression | Scalar) -> Expression:  # type: ignore[override]
        return Binary("ne", self, as_expression(other))

    def __and__(self, other: Expression | Scalar) -> Expression:
        return Binary("and", self, as_expression(other))

    def __or__(self, other: Expression | Scalar) -> Expression:
        return Binary("or", self, as_expression(other))

    def __invert__(self) -> Expression:
        return Unary("not", self)

    def __neg__(self) -> Expression:
        return Unary("neg", self)

    def __hash__(self) -> int:
        return hash(str(self))

    def __bool__(self) -> bool:
        raise DefinitionError(
            f"'{self}' has no truth value before it meets rows",
            hint="combine conditions with & and |, each in parentheses, not with 'and' and 'or'",
        )


@dataclass(frozen=True, eq=False)
class Column(Expression):
    """A column of the row itself."""

    name: str

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, eq=False)
class QueryTime(Expression):
    """The moment the row asks its question (`FeatureSet.at`)."""

    def __str__(self) -> str:
        return "query_time()"


@dataclass(frozen=True, eq=False)
class StateColumn(Expression):
    """A state table's column, for the row's entity, as of the row's query time.

    Attributes:
        view: the state table.
        column: its column.
        on: the spine's key columns, in the order of the state's keys.
        tolerance_us: oldest state that still counts, or None.
        definition: the `StateTable` it was written with, which knows the source; None in a plan.
    """

    view: StateView
    column: str
    on: tuple[str, ...]
    tolerance_us: int | None
    definition: Any = None

    def __str__(self) -> str:
        return f"{self.view.name}[{self.column}]"


@dataclass(frozen=True, eq=False)
class FeatureColumn(Expression):
    """The value of another feature of the same plan; null where it is missing."""

    name: str

    def __str__(self) -> str:
        return f"feature({self.name})"


@dataclass(frozen=True, eq=False)
class Literal(Expression):
    """The same value in every row."""

    value: Scalar

    def __str__(self) -> str:
        return repr(self.value)


@dataclass(frozen=True, eq=False)
class Unary(Expression):
    """An operation on one value."""

    operator: str
    operand: Expression

    def __str__(self) -> str:
        return f"{self.operator}({self.operand})"


@dataclass(frozen=True, eq=False)
class Binary(Expression):
    """An operation on two values."""

    operator: str
    left: Expression
    right: Expression

    def __str__(self) -> str:
        return f"({self.left} {BINARY_OPERATORS[self.operator]} {self.right})"


@dataclass(frozen=True, eq=False)
class Call(Expression):
    """A function of several values, with fixed parameters.

    Attributes:
        function: its name; `functions.py` lists them.
        operands: what it is computed from, row by row.
        parameters: what is the same in every row.
    """

    function: str
    operands: tuple[Expression, ...]
    parameters: tuple[Scalar | None, ...] = ()

    def __str__(self) -> str:
        inside = [*map(str, self.operands), *map(repr, self.parameters)]
        return f"{self.function}({', '.join(inside)})"


@dataclass(frozen=True, eq=False)
class NamedExpression:
    """An expression that is a feature: what `FeatureSet.features` takes."""

    name: str
    expression: Expression
    location: str = field(default_factory=caller_location, repr=False)


def column(name: str) -> Column:
    """Name a column of the row itself, in an expression, a model's target, or as a feature."""
    return Column(name)


def feature(name: str) -> FeatureColumn:
    """Name another feature of the same feature set in an expression; null where it is missing."""
    return FeatureColumn(name)


def query_time() -> QueryTime:
    """Name the row's query time in an expression."""
    return QueryTime()


def as_expression(value: Any) -> Expression:
    """Wrap a plain value.

    Raises:
        DefinitionError: the value is neither an expression nor a bool, int, float or str.
    """
    if isinstance(value, Expression):
        return value
    if isinstance(value, float) and not math.isfinite(value):
        raise DefinitionError(f"{value!r} in an expression: numbers there must be finite")
    if isinstance(value, bool | int | float | str):
        return Literal(value)
    raise DefinitionError(f"{value!r} is not a value an expression can hold; use a bool, int, float or str")


def leaves(expression: Expression) -> list[Expression]:
    """Columns, states, features, query times and literals of the tree, left to right."""
    if isinstance(expression, Unary):
        return leaves(expression.operand)
    if isinstance(expression, Binary):
        return [*leaves(expression.left), *leaves(expression.right)]
    if isinstance(expression, Call):
        return [leaf for operand in expression.operands for leaf in leaves(operand)]
    return [expression]
