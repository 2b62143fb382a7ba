"""Steps, encoders and expressions as JSON data, and back: the inner parts of `plan_format.py`."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, fields
from typing import Any, TypeVar

from headrace.features.definition.expressions import (
    Binary,
    Call,
    Column,
    Expression,
    FeatureColumn,
    Literal,
    QueryTime,
    StateColumn,
    Unary,
)
from headrace.features.definition.spans import WindowSpan
from headrace.features.plan import (
    CalendarStep,
    EncoderSpec,
    EncoderStep,
    ExpressionStep,
    StateStep,
    Step,
    WindowStep,
)
from headrace.features.views import EventView, StateView

_FLAT_STEPS: dict[str, type[StateStep | CalendarStep | EncoderStep]] = {
    "state": StateStep,
    "calendar": CalendarStep,
    "encoder": EncoderStep,
}
_Record = TypeVar("_Record", bound="EventView | StateView | WindowSpan | StateStep | CalendarStep | EncoderStep")


def expression_to_json(expression: Expression) -> dict[str, Any]:  # noqa: PLR0911  # one return a kind of node
    """One object a node; the key says which kind it is."""
    match expression:
        case Column(name):
            return {"column": name}
        case QueryTime():
            return {"query_time": True}
        case Literal(value):
            return {"literal": value}
        case StateColumn(view, column, on, tolerance_us):
            return {"state": view.name, "column_of_state": column, "on": list(on), "tolerance_us": tolerance_us}
        case FeatureColumn(name):
            return {"feature": name}
        case Unary(operator, operand):
            return {"unary": operator, "of": expression_to_json(operand)}
        case Binary(operator, left, right):
            return {"binary": operator, "left": expression_to_json(left), "right": expression_to_json(right)}
        case Call(function, operands, parameters):
            return {"call": function, "of": [expression_to_json(o) for o in operands], "parameters": list(parameters)}
        case _:
            raise TypeError(f"{type(expression).__name__} has no serial form")


def expression_from_json(data: Mapping[str, Any], states: Mapping[str, StateView]) -> Expression:  # noqa: PLR0911  # one a node
    """Read an expression back; states are named, their views come from the plan."""
    if "column" in data:
        return Column(data["column"])
    if "query_time" in data:
        return QueryTime()
    if "literal" in data:
        return Literal(data["literal"])
    if "state" in data:
        return StateColumn(states[data["state"]], data["column_of_state"], tuple(data["on"]), data["tolerance_us"])
    if "feature" in data:
        return FeatureColumn(data["feature"])
    if "unary" in data:
        return Unary(data["unary"], expression_from_json(data["of"], states))
    if "call" in data:
        operands = tuple(expression_from_json(node, states) for node in data["of"])
        return Call(data["call"], operands, tuple(data["parameters"]))
    return Binary(
        data["binary"], expression_from_json(data["left"], states), expression_from_json(data["right"], states)
    )


def expression_key(expression: Expression | None) -> str:
    """Text that two expressions share exactly when they compute the same from the same columns; "" for None."""
    return json.dumps(expression_to_json(expression), sort_keys=True) if expression is not None else ""


def step_to_json(step: Step) -> dict[str, Any]:
    """A step as JSON data, with its kind."""
    match step:
        case ExpressionStep(expression):
            return {"kind": "expression", "expression": expression_to_json(expression)}
        case WindowStep():
            data = {each.name: getattr(step, each.name) for each in fields(step)}
            data["where"] = None if step.where is None else expression_to_json(step.where)
            data["columns"] = [expression_to_json(column) for column in step.columns]
            data["span"] = asdict(step.span)
            return {"kind": "window", **plain(data)}
        case _:
            kind = next(name for name, cls in _FLAT_STEPS.items() if isinstance(step, cls))
            return {"kind": kind, **plain(asdict(step))}


def step_from_json(data: Mapping[str, Any], states: Mapping[str, StateView]) -> Step:
    """Read a step back."""
    if data["kind"] == "expression":
        return ExpressionStep(expression_from_json(data["expression"], states))
    values = {name: value for name, value in data.items() if name != "kind"}
    if data["kind"] != "window":
        return record(_FLAT_STEPS[data["kind"]], values)
    values["where"] = None if data["where"] is None else expression_from_json(data["where"], states)
    values["columns"] = tuple(expression_from_json(column, states) for column in data["columns"])
    values["span"] = record(WindowSpan, data["span"])
    for name in ("by", "on", "resolution_bits"):
        values[name] = tuple(data[name])
    return WindowStep(**values)


def encoder_to_json(encoder: EncoderSpec) -> dict[str, Any]:
    """An encoder as JSON data."""
    return {
        "name": encoder.name,
        "kind": encoder.kind,
        "of": [expression_to_json(expression) for expression in encoder.of],
        "settings": dict(encoder.settings),
        "fitted": None if encoder.fitted is None else dict(encoder.fitted),
    }


def encoder_from_json(data: Mapping[str, Any], states: Mapping[str, StateView]) -> EncoderSpec:
    """Read an encoder back."""
    of = tuple(expression_from_json(expression, states) for expression in data["of"])
    return EncoderSpec(data["name"], data["kind"], of, data["settings"], data["fitted"])


def record(cls: type[_Record], data: Mapping[str, Any]) -> _Record:
    """A flat dataclass from JSON data; lists become tuples.

    Raises:
        TypeError: a field is missing or unknown.
    """
    construct: Callable[..., _Record] = cls
    return construct(**{name: tuple(value) if isinstance(value, list) else value for name, value in data.items()})


def plain(data: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a flat dataclass as JSON data: tuples become lists."""
    return {name: list(value) if isinstance(value, tuple) else value for name, value in data.items()}
