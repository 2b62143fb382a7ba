"""The feature plan: pure data that says how each column of the matrix is computed.

A plan is compiled once, serialised into the model package, hashed, and run by batch, backfill, request and shadow.
"""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal, TypeAlias

from headrace.core.errors import DefinitionError, InvalidInputError, did_you_mean
from headrace.core.hashing import digest_json
from headrace.features.durations import TimeOffset
from headrace.features.expressions import Expression
from headrace.features.views import EventView, StateView

Role: TypeAlias = Literal["window", "state", "calendar", "request", "derived"]
ROLES: tuple[Role, ...] = ("window", "state", "calendar", "request", "derived")


@dataclass(frozen=True)
class WindowStep:
    """One statistic of one column over one window.

    Attributes:
        view: name of the event view.
        by: the events' key columns.
        on: the spine's key columns.
        column: value column, or None where the statistic reads none.
        statistic: `count`, `count_non_null`, `sum`, `mean`, `var`, `std`, `min`, `max` or `share`.
        above: threshold of `share`, exclusive.
        width_us: the window is [q - width, q).
        resolution_bits: binary digits kept after the point in sums; 0 for integer columns.
    """

    view: str
    by: tuple[str, ...]
    on: tuple[str, ...]
    column: str | None
    statistic: str
    above: float | None
    width_us: int
    resolution_bits: int


@dataclass(frozen=True)
class StateStep:
    """A column of the last state known at q, no older than `tolerance_us`."""

    view: str
    on: tuple[str, ...]
    column: str
    tolerance_us: int | None


@dataclass(frozen=True)
class CalendarStep:
    """A calendar field of a spine timestamp in a time zone; `encoding` is `number`, `sin` or `cos`."""

    column: str
    field: str
    tz: str
    encoding: str


@dataclass(frozen=True, eq=False)
class ExpressionStep:
    """An expression over the spine row, its query time and its states."""

    expression: Expression


Step: TypeAlias = WindowStep | StateStep | CalendarStep | ExpressionStep


@dataclass(frozen=True)
class FeatureSpec:
    """One column of the matrix.

    Attributes:
        name: unique in the plan.
        role: where its values come from.
        dtype: dtype in the matrix.
        description: one sentence for people.
        step: how it is computed.
    """

    name: str
    role: Role
    dtype: str
    description: str
    step: Step


@dataclass(frozen=True, eq=False)
class FeaturePlan:
    """Everything needed to compute a feature matrix from tables, and nothing else. Plans with one digest are equal.

    Attributes:
        name: the feature set's name.
        spine: name of the stored table whose rows ask.
        at: query time of a spine row.
        row_id: the spine's column that names a row, or None.
        columns: dtype of every column read, by table.
        event_views: event views by name.
        state_views: state views by name.
        features: the matrix's columns, in order.
    """

    name: str
    spine: str
    at: TimeOffset
    row_id: str | None
    columns: Mapping[str, Mapping[str, str]]
    event_views: Mapping[str, EventView]
    state_views: Mapping[str, StateView]
    features: tuple[FeatureSpec, ...]

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Names of the matrix's columns, in order."""
        return tuple(feature.name for feature in self.features)

    @property
    def tables_needed(self) -> dict[str, list[str]]:
        """Columns to read, by table."""
        return {table: list(columns) for table, columns in self.columns.items()}

    @property
    def digest(self) -> str:
        """SHA-256 of the canonical JSON form: equal plans, and only they, have equal digests."""
        return self._digest

    @cached_property
    def _digest(self) -> str:
        return digest_json(self.to_json())

    def feature(self, name: str) -> FeatureSpec:
        """One feature by name.

        Raises:
            InvalidInputError: there is none.
        """
        for feature in self.features:
            if feature.name == name:
                return feature
        raise InvalidInputError(
            f"plan '{self.name}' has no feature '{name}'", hint=did_you_mean(name, self.feature_names)
        )

    def without(self, roles: AbstractSet[str]) -> FeaturePlan:
        """The plan with the features of these roles left out.

        Raises:
            DefinitionError: a role is not known, or no feature remains.
        """
        for role in roles:
            if role not in ROLES:
                hint = did_you_mean(role, ROLES)
                raise DefinitionError(f"'{role}' is no feature role; allowed: {', '.join(ROLES)}", hint=hint)
        kept = tuple(feature for feature in self.features if feature.role not in roles)
        if not kept:
            raise DefinitionError(f"plan '{self.name}' without {', '.join(sorted(roles))} features holds none")
        return replace(self, features=kept)

    def to_json(self) -> dict[str, Any]:
        """The plan as JSON data; `docs/formats/feature-plan.md` describes it."""
        from headrace.features.plan_format import plan_to_json

        return plan_to_json(self)

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> FeaturePlan:
        """Read a plan back.

        Raises:
            CorruptedError: the data is no plan, or its format version is not known here.
        """
        from headrace.features.plan_format import plan_from_json

        return plan_from_json(data)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, FeaturePlan) and self.digest == other.digest

    def __hash__(self) -> int:
        return hash(self.digest)

    def __repr__(self) -> str:
        return f"FeaturePlan({self.name!r}, {len(self.features)} features, {self.digest[:8]})"
