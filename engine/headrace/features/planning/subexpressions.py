"""Operations that stand in several expressions of a plan: found once, so that the executor computes them once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from headrace.features.definition.expressions import Binary, Call, Expression, Unary
from headrace.features.plan import EncoderStep, ExpressionStep, FeaturePlan
from headrace.features.planning.step_format import expression_key


class SharedValues:
    """Values of operations that stand in several places, kept from the first place to the last.

    Invariant: a value is kept exactly while a place that has not been evaluated yet needs it. Not for several threads.
    """

    def __init__(self, plan: FeaturePlan) -> None:
        self._places = dict(plan.repeated)
        self._values: dict[str, Any] = {}

    def key(self, expression: Expression) -> str | None:
        """The operation's key if it stands in several places."""
        if not self._places:
            return None
        key = expression_key(expression)
        return key if key in self._places else None

    def take(self, key: str) -> Any:
        """The value, or None at the first place."""
        value = self._values.get(key)
        if value is not None:
            self._count(key)
        return value

    def keep(self, key: str, value: Any) -> None:
        """Keep the value that the first place computed."""
        self._values[key] = value
        self._count(key)

    def _count(self, key: str) -> None:
        self._places[key] -= 1
        if self._places[key] <= 0:
            self._values.pop(key, None)


def repeated_operations(plan: FeaturePlan) -> dict[str, int]:
    """In how many places each repeated operation stands, by its key; what stands only inside such a one is left out."""
    return {key: count for key, (count, _) in _counted(plan).items() if count > 1}


def repeated_texts(plan: FeaturePlan) -> dict[str, int]:
    """The same, by the operation's text."""
    return {text: count for count, text in _counted(plan).values() if count > 1}


def evaluated_expressions(plan: FeaturePlan) -> Iterator[Expression]:
    """Expressions over the spine row that a plan evaluates, each once: of features, intermediates and encoders."""
    specs = (*plan.features, *plan.intermediates)
    for spec in specs:
        if isinstance(spec.step, ExpressionStep):
            yield spec.step.expression
    for name in sorted({spec.step.encoder for spec in specs if isinstance(spec.step, EncoderStep)}):
        yield from plan.encoders[name].of


def _counted(plan: FeaturePlan) -> dict[str, tuple[int, str]]:
    counts, texts = Counter[str](), dict[str, str]()

    def visit(expression: Expression) -> None:
        operands = _operands(expression)
        if operands:
            key = expression_key(expression)
            counts[key] += 1
            texts[key] = str(expression)
            if counts[key] == 1:
                for operand in operands:
                    visit(operand)

    for expression in evaluated_expressions(plan):
        visit(expression)
    return {key: (count, texts[key]) for key, count in counts.items()}


def _operands(expression: Expression) -> tuple[Expression, ...]:
    match expression:
        case Unary(_, operand):
            return (operand,)
        case Binary(_, left, right):
            return (left, right)
        case Call(_, operands, _):
            return operands
        case _:
            return ()
