"""The plan's serial form, `docs/formats/feature-plan.md`: read and written here and nowhere else."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any, TypeVar

from headrace.core.errors import CorruptedError
from headrace.features.durations import TimeOffset
from headrace.features.expressions import Binary, Column, Expression, Literal, QueryTime, StateColumn, Unary
from headrace.features.plan import (
    CalendarStep,
    ExpressionStep,
    FeaturePlan,
    FeatureSpec,
    StateStep,
    Step,
    WindowStep,
)
from headrace.features.views import EventView, StateView

FORMAT = "headrace-feature-plan"
FORMAT_VERSION = 1
_STEP_KINDS: dict[str, type[WindowStep | StateStep | CalendarStep]] = {
    "window": WindowStep,
    "state": StateStep,
    "calendar": CalendarStep,
}
_Record = TypeVar("_Record", bound="EventView | StateView | WindowStep | StateStep | CalendarStep")


def plan_to_json(plan: FeaturePlan) -> dict[str, Any]:
    """Plain dictionaries, lists and scalars; equal plans give equal data."""
    return {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "name": plan.name,
        "spine": {
            "table": plan.spine,
            "row_id": plan.row_id,
            "at": {"column": plan.at.column, "offset_us": plan.at.offset_us},
        },
        "columns": {table: dict(columns) for table, columns in plan.columns.items()},
        "event_views": [_plain(asdict(view)) for view in plan.event_views.values()],
        "state_views": [_plain(asdict(view)) for view in plan.state_views.values()],
        "features": [
            {
                "name": f.name,
                "role": f.role,
                "dtype": f.dtype,
                "description": f.description,
                "step": _step_to_json(f.step),
            }
            for f in plan.features
        ],
    }


def plan_from_json(data: Mapping[str, Any]) -> FeaturePlan:
    """Read a plan back.

    Raises:
        CorruptedError: the data is no plan, or its format version is not known here.
    """
    if data.get("format") != FORMAT:
        raise CorruptedError(f"this is no feature plan: its format is {data.get('format')!r}, expected '{FORMAT}'")
    if data.get("format_version") != FORMAT_VERSION:
        raise CorruptedError(
            f"feature plan format version {data.get('format_version')!r} is not known: this release reads "
            f"{FORMAT_VERSION}",
            hint="the plan was written by another release of headrace: upgrade, or build the package again",
        )
    try:
        spine = data["spine"]
        states = {view["name"]: _record(StateView, view) for view in data["state_views"]}
        return FeaturePlan(
            name=data["name"],
            spine=spine["table"],
            at=TimeOffset(spine["at"]["column"], spine["at"]["offset_us"]),
            row_id=spine["row_id"],
            columns={table: dict(columns) for table, columns in data["columns"].items()},
            event_views={view["name"]: _record(EventView, view) for view in data["event_views"]},
            state_views=states,
            features=tuple(
                FeatureSpec(f["name"], f["role"], f["dtype"], f["description"], _step_from_json(f["step"], states))
                for f in data["features"]
            ),
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise CorruptedError(f"the feature plan is damaged: {type(error).__name__}: {error}") from error


def expression_to_json(expression: Expression) -> dict[str, Any]:
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
        case Unary(operator, operand):
            return {"unary": operator, "of": expression_to_json(operand)}
        case Binary(operator, left, right):
            return {"binary": operator, "left": expression_to_json(left), "right": expression_to_json(right)}
        case _:
            raise TypeError(f"{type(expression).__name__} has no serial form")


def expression_from_json(data: Mapping[str, Any], states: Mapping[str, StateView]) -> Expression:
    """Read an expression back; states are named, their views come from the plan."""
    if "column" in data:
        return Column(data["column"])
    if "query_time" in data:
        return QueryTime()
    if "literal" in data:
        return Literal(data["literal"])
    if "state" in data:
        return StateColumn(states[data["state"]], data["column_of_state"], tuple(data["on"]), data["tolerance_us"])
    if "unary" in data:
        return Unary(data["unary"], expression_from_json(data["of"], states))
    return Binary(
        data["binary"], expression_from_json(data["left"], states), expression_from_json(data["right"], states)
    )


def _step_to_json(step: Step) -> dict[str, Any]:
    if isinstance(step, ExpressionStep):
        return {"kind": "expression", "expression": expression_to_json(step.expression)}
    kind = next(name for name, cls in _STEP_KINDS.items() if isinstance(step, cls))
    return {"kind": kind, **_plain(asdict(step))}


def _step_from_json(data: Mapping[str, Any], states: Mapping[str, StateView]) -> Step:
    if data["kind"] == "expression":
        return ExpressionStep(expression_from_json(data["expression"], states))
    fields = {name: value for name, value in data.items() if name != "kind"}
    return _record(_STEP_KINDS[data["kind"]], fields)


def _record(cls: type[_Record], data: Mapping[str, Any]) -> _Record:
    construct: Callable[..., _Record] = cls
    return construct(**{name: tuple(value) if isinstance(value, list) else value for name, value in data.items()})


def _plain(record: dict[str, Any]) -> dict[str, Any]:
    return {name: list(value) if isinstance(value, tuple) else value for name, value in record.items()}
