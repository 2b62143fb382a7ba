"""The plan's serial form, `docs/formats/feature-plan.md`: read and written here and nowhere else.

Version 2 is written; versions 1 and 2 are read, and a plan of either computes the same bits as when it was written.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from headrace.core.errors import CorruptedError, DefinitionError
from headrace.features.definition.durations import TimeOffset
from headrace.features.plan import FeaturePlan, FeatureSpec
from headrace.features.planning.step_format import (
    encoder_from_json,
    encoder_to_json,
    expression_from_json,
    expression_to_json,
    plain,
    record,
    step_from_json,
    step_to_json,
)
from headrace.features.views import EventView, StateView

__all__ = ["FORMAT", "FORMAT_VERSION", "expression_from_json", "expression_to_json", "plan_from_json", "plan_to_json"]

FORMAT = "headrace-feature-plan"
FORMAT_VERSION = 2
READABLE_VERSIONS = (1, 2)


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
        "event_views": [plain(asdict(view)) for view in plan.event_views.values()],
        "state_views": [plain(asdict(view)) for view in plan.state_views.values()],
        "encoders": [encoder_to_json(encoder) for encoder in plan.encoders.values()],
        "intermediates": [_spec_to_json(spec) for spec in plan.intermediates],
        "features": [_spec_to_json(spec) for spec in plan.features],
    }


def plan_from_json(data: Mapping[str, Any]) -> FeaturePlan:
    """Read a plan back.

    Raises:
        CorruptedError: the data is no plan, or its format version is not known here.
    """
    if data.get("format") != FORMAT:
        raise CorruptedError(f"this is no feature plan: its format is {data.get('format')!r}, expected '{FORMAT}'")
    version = data.get("format_version")
    if version not in READABLE_VERSIONS:
        raise CorruptedError(
            f"feature plan format version {version!r} is not known: this release reads "
            f"{' and '.join(map(str, READABLE_VERSIONS))}",
            hint="the plan was written by another release of headrace: upgrade, or build the package again",
        )
    try:
        return _plan(_from_version_1(data) if version == 1 else data)
    except (KeyError, TypeError, AttributeError, DefinitionError) as error:
        raise CorruptedError(f"the feature plan is damaged: {type(error).__name__}: {error}") from error


def _plan(data: Mapping[str, Any]) -> FeaturePlan:
    spine = data["spine"]
    states = {view["name"]: record(StateView, view) for view in data["state_views"]}
    return FeaturePlan(
        name=data["name"],
        spine=spine["table"],
        at=TimeOffset(spine["at"]["column"], spine["at"]["offset_us"]),
        row_id=spine["row_id"],
        columns={table: dict(columns) for table, columns in data["columns"].items()},
        event_views={view["name"]: record(EventView, view) for view in data["event_views"]},
        state_views=states,
        features=tuple(_spec(spec, states) for spec in data["features"]),
        intermediates=tuple(_spec(spec, states) for spec in data["intermediates"]),
        encoders={encoder["name"]: encoder_from_json(encoder, states) for encoder in data["encoders"]},
    )


def _spec_to_json(spec: FeatureSpec) -> dict[str, Any]:
    return {
        "name": spec.name,
        "role": spec.role,
        "dtype": spec.dtype,
        "description": spec.description,
        "step": step_to_json(spec.step),
    }


def _spec(data: Mapping[str, Any], states: Mapping[str, StateView]) -> FeatureSpec:
    step = step_from_json(data["step"], states)
    return FeatureSpec(data["name"], data["role"], data["dtype"], data["description"], step)


def _from_version_1(data: Mapping[str, Any]) -> dict[str, Any]:
    """The same plan as version 2 says it: version 1 had one column, one kind of span, and no encoders."""
    return {
        **data,
        "encoders": [],
        "intermediates": [],
        "features": [{**spec, "step": _step_from_version_1(spec["step"])} for spec in data["features"]],
    }


def _step_from_version_1(step: Mapping[str, Any]) -> Mapping[str, Any]:
    if step["kind"] != "window":
        return step
    return {
        "kind": "window",
        "view": step["view"],
        "by": step["by"],
        "on": step["on"],
        "where": None,
        "span": {"kind": "duration", "width_us": step["width_us"]},
        "columns": [] if step["column"] is None else [{"column": step["column"]}],
        "statistic": step["statistic"],
        "parameter": step["above"],
        "skip_nan": False,
        "empty": None,
        "resolution_bits": [] if step["column"] is None else [step["resolution_bits"]],
    }
