"""The feature plan: pure data that says how each column of the matrix is computed.

A plan is compiled once, serialised into the model package, hashed, and run by batch, backfill, request and shadow.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from headrace.core.errors import DefinitionError, InvalidInputError, did_you_mean
from headrace.core.hashing import digest_json
from headrace.features.definition.durations import TimeOffset
from headrace.features.definition.expressions import Expression
from headrace.features.definition.spans import WindowSpan
from headrace.features.views import EventView, StateView

if TYPE_CHECKING:
    from headrace.features.planning.outline import Outline

Role: TypeAlias = Literal["window", "state", "calendar", "request", "derived", "encoded"]
ROLES: tuple[Role, ...] = ("window", "state", "calendar", "request", "derived", "encoded")


@dataclass(frozen=True, eq=False)
class WindowStep:
    """One statistic of the events of one entity inside one window.

    Attributes:
        view: name of the event view.
        by: the events' key columns; none for all events of the view.
        on: the spine's key columns, as many.
        where: condition over the event row that is asked first: the last five are the last five that satisfy it. None
            where every event counts.
        span: which of them are inside the window.
        columns: what the statistic reads, over the event row: nothing, one value, or two for a pair (y, x).
        statistic: lower-case name of a `headrace_kernels.arrays.Statistic`.
        parameter: the statistic's number in the kernels' unit (`StatisticRequest.parameter`), or None.
        skip_nan: whether NaN counts as missing; otherwise it propagates while it is inside.
        empty: value where there is none; None for null.
        resolution_bits: binary digits kept after the point in sums, one for each of `columns`; 0 where it is no float.
    """

    view: str
    by: tuple[str, ...]
    on: tuple[str, ...]
    where: Expression | None
    span: WindowSpan
    columns: tuple[Expression, ...]
    statistic: str
    parameter: float | None
    skip_nan: bool
    empty: float | None
    resolution_bits: tuple[int, ...]


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
    """An expression over the spine row, its query time, its states and other features of the plan."""

    expression: Expression


@dataclass(frozen=True)
class EncoderStep:
    """One of the columns an encoder gives; `part` counts them from 0."""

    encoder: str
    part: int


Step: TypeAlias = WindowStep | StateStep | CalendarStep | ExpressionStep | EncoderStep


@dataclass(frozen=True)
class FeatureSpec:
    """One column of the matrix, or an intermediate value that other features read.

    Attributes:
        name: unique in the plan.
        role: where its values come from.
        dtype: `float32` in the matrix, `float64` for an intermediate.
        description: one sentence for people.
        step: how it is computed.
        digest: SHA-256 of everything the value depends on besides the tables: the steps and views behind it, the spine
            and the query time, and not its name. Equal definitions have equal digests in every plan. Set by the plan.
    """

    name: str
    role: Role
    dtype: str
    description: str
    step: Step
    digest: str = field(default="", compare=False)


@dataclass(frozen=True, eq=False)
class EncoderSpec:
    """An encoder of columns of the spine row; some must be fitted to a training split before they can run.

    Attributes:
        name: unique in the plan.
        kind: which encoder; `docs/formats/feature-plan.md` lists them.
        of: what it reads, over the spine row.
        settings: JSON data, as declared.
        fitted: JSON data that fitting found; None before it.
    """

    name: str
    kind: str
    of: tuple[Expression, ...]
    settings: Mapping[str, Any]
    fitted: Mapping[str, Any] | None = None


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
        intermediates: float64 values that expressions read and the matrix does not hold.
        encoders: encoders by name.
    """

    name: str
    spine: str
    at: TimeOffset
    row_id: str | None
    columns: Mapping[str, Mapping[str, str]]
    event_views: Mapping[str, EventView]
    state_views: Mapping[str, StateView]
    features: tuple[FeatureSpec, ...]
    intermediates: tuple[FeatureSpec, ...] = ()
    encoders: Mapping[str, EncoderSpec] = field(default_factory=dict)

    def __post_init__(self) -> None:
        from headrace.features.planning.digests import digests_of

        digests = digests_of(self)
        for name in ("features", "intermediates"):
            specs = tuple(replace(spec, digest=digests[spec.name]) for spec in getattr(self, name))
            object.__setattr__(self, name, specs)

    @property
    def is_fitted(self) -> bool:
        """Whether every encoder has what it needs to run."""
        return all(encoder.fitted is not None for encoder in self.encoders.values())

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

    @cached_property
    def repeated(self) -> Mapping[str, int]:
        """In how many places each repeated operation of its expressions stands, by `expression_key`."""
        from headrace.features.planning.subexpressions import repeated_operations

        return repeated_operations(self)

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
        """The plan with the features of these roles left out, those that read one of them, and all that nothing reads.

        Raises:
            DefinitionError: a role is not known, or no feature remains.
        """
        from headrace.features.planning.pruning import names_without

        for role in roles:
            if role not in ROLES:
                hint = did_you_mean(role, ROLES)
                raise DefinitionError(f"'{role}' is no feature role; allowed: {', '.join(ROLES)}", hint=hint)
        kept = names_without(self, roles)
        if not kept:
            raise DefinitionError(f"plan '{self.name}' without {', '.join(sorted(roles))} features holds none")
        return self.only(kept)

    def only(self, names: Iterable[str]) -> FeaturePlan:
        """The plan of these features alone, in the plan's order, with the same values.

        Columns, views and encoders that nothing reads any more are left out; features that others read become
        intermediates.

        Raises:
            InvalidInputError: there is no such feature.
        """
        from headrace.features.planning.pruning import pruned

        return pruned(self, [self.feature(name) for name in names])

    def outline(self) -> Outline:
        """How the plan is run: what is sorted, bounded and scanned once, and what shares it."""
        from headrace.features.planning.outline import outline

        return outline(self)

    def to_json(self) -> dict[str, Any]:
        """The plan as JSON data; `docs/formats/feature-plan.md` describes it."""
        from headrace.features.planning.plan_format import plan_to_json

        return plan_to_json(self)

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> FeaturePlan:
        """Read a plan back.

        Raises:
            CorruptedError: the data is no plan, or its format version is not known here.
        """
        from headrace.features.planning.plan_format import plan_from_json

        return plan_from_json(data)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, FeaturePlan) and self.digest == other.digest

    def __hash__(self) -> int:
        return hash(self.digest)

    def __repr__(self) -> str:
        return f"FeaturePlan({self.name!r}, {len(self.features)} features, {self.digest[:8]})"
