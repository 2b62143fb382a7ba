"""The schema of a model that was trained elsewhere: its columns in order, and the plan that takes them as they are."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headrace.core.errors import InvalidInputError, NotFoundError, did_you_mean
from headrace.features import column
from headrace.features.definition.durations import TimeOffset
from headrace.features.plan import ExpressionStep, FeaturePlan, FeatureSpec

TABLE, ASKED_AT = "rows", "asked_at"
_PLAN_TYPES = {
    "float32": "float64", "float64": "float64", "int8": "int64", "int16": "int64", "int32": "int64", "int64": "int64",
    "bool": "bool",
}  # fmt: skip


@dataclass(frozen=True)
class BroughtSchema:
    """What the user declares of a brought model.

    Attributes:
        columns: column -> dtype, in the order of the model's input.
        description: what it predicts and for whom, for the model card.
        output: the graph's output that is the score; None: the only one of floats.
    """

    columns: Mapping[str, str]
    description: str
    output: str | None

    @classmethod
    def read(cls, file: Path) -> BroughtSchema:
        """Read a JSON file: `{"columns": {"distance": "float64", ...}, "description": "...", "output": "..."}`.

        Raises:
            NotFoundError: no such file.
            InvalidInputError: it is no JSON of that form, or a dtype is not allowed.
        """
        try:
            body = json.loads(file.read_bytes(), object_pairs_hook=_unique)
        except OSError as error:
            raise NotFoundError(f"no schema at {file}: {error.strerror}") from error
        except ValueError as error:
            raise InvalidInputError(f"{file} is no JSON: {error}") from error
        if not isinstance(body, dict) or not isinstance(body.get("columns"), dict) or not body["columns"]:
            raise InvalidInputError(
                f"{file} declares no columns", hint='write {"columns": {"distance": "float64", "stops": "int64"}}'
            )
        known = {"columns", "description", "output"}
        for name in body:
            if name not in known:
                raise InvalidInputError(f"{file} has unknown key '{name}'", hint=did_you_mean(name, known))
        for name, dtype in body["columns"].items():
            _check_column(file, name, dtype)
        return cls(body["columns"], str(body.get("description", "")), body.get("output"))

    def plan(self, model: str) -> FeaturePlan:
        """The plan of a model that computes nothing: every feature is the column of its name, as float32."""
        types = {name: _PLAN_TYPES[dtype] for name, dtype in self.columns.items()}
        features = tuple(
            FeatureSpec(name, "request", "float32", f"column {name}, as it comes", ExpressionStep(column(name)))
            for name in self.columns
        )
        return FeaturePlan(
            name=model,
            spine=TABLE,
            at=TimeOffset(ASKED_AT, 0),
            row_id=None,
            columns={TABLE: {ASKED_AT: "timestamp", **types}},
            event_views={},
            state_views={},
            features=features,
        )


def _check_column(file: Path, name: str, dtype: Any) -> None:
    if not name or name == ASKED_AT:
        raise InvalidInputError(f"{file}: a column cannot be called '{name}'")
    if dtype not in _PLAN_TYPES:
        raise InvalidInputError(
            f"{file}: column '{name}' is '{dtype}'; allowed: {', '.join(_PLAN_TYPES)}",
            hint=did_you_mean(str(dtype), _PLAN_TYPES) or "text has to become numbers before the model",
        )


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"'{next(name for name in names if names.count(name) > 1)}' is there twice")
    return found
