"""Compile a feature set to a plan: every column found, every type checked, every name unique, before a row is read."""

from __future__ import annotations

from collections.abc import Iterator

from headrace.core.errors import DefinitionError, did_you_mean
from headrace.features.definition.calendar_features import CalendarFeatures
from headrace.features.definition.durations import format_duration
from headrace.features.definition.encoders import EncoderFeature
from headrace.features.definition.expressions import Column, Expression, NamedExpression, StateColumn
from headrace.features.definition.feature_set import Feature, FeatureSet, StateFeatures
from headrace.features.definition.locations import located_hint
from headrace.features.definition.target_encodings import TimeAwareEncoding, plan_encoding
from headrace.features.definition.window_features import WindowFeatures
from headrace.features.plan import CalendarStep, EncoderStep, ExpressionStep, FeaturePlan, FeatureSpec, StateStep
from headrace.features.planning.draft import Draft, Schemas
from headrace.features.planning.dtypes import KEYS, NUMBERS, TIMESTAMP
from headrace.features.planning.target_checks import check_target
from headrace.features.planning.window_planning import plan_windows


def compile_plan(feature_set: FeatureSet, schemas: Schemas, *, target: Expression | None = None) -> FeaturePlan:
    """Compile a feature set against the tables it reads.

    Args:
        feature_set: what the user declared.
        schemas: column types (`int64`, `float64`, `string`, `timestamp`, ...) by column, by stored table.
        target: what a model learns from these features, over the spine row; features that would know it are refused.

    Raises:
        DefinitionError: an unknown table or column, a type that does not fit, two features with one name, features that
            read each other in a circle, or the target inside its own features.
    """
    return _Planner(feature_set, schemas).plan(target)


class _Planner:
    """Compiles the features of one set, one after the other, into one draft."""

    def __init__(self, feature_set: FeatureSet, schemas: Schemas) -> None:
        self.set = feature_set
        self.draft = Draft(schemas, feature_set.spine.table, feature_set.query_time, feature_set.location)
        self.places: dict[str, str] = {}

    def plan(self, target: Expression | None) -> FeaturePlan:
        draft, at = self.draft, self.set.query_time
        draft.use(draft.spine, at.column, frozenset({TIMESTAMP}), "the query time")
        if self.set.row_id is not None:
            draft.use(draft.spine, self.set.row_id, KEYS, "the row id")
        specs = self._specs()
        self._check_references(specs)
        plan = FeaturePlan(
            name=self.set.name,
            spine=draft.spine,
            at=at,
            row_id=self.set.row_id,
            columns={table: dict(sorted(draft.columns[table].items())) for table in sorted(draft.columns)},
            event_views=dict(sorted(draft.event_views.items())),
            state_views=dict(sorted(draft.state_views.items())),
            features=tuple(specs.values()),
            intermediates=tuple(draft.intermediates.values()),
            encoders=dict(sorted(draft.encoders.items())),
        )
        if target is not None:
            check_target(plan, draft.schemas[draft.spine], target, self.places, self.set.location)
        return plan

    def _specs(self) -> dict[str, FeatureSpec]:
        specs: dict[str, FeatureSpec] = {}
        for entry in self.set.features:
            self.draft.location = getattr(entry, "location", self.set.location)
            for spec in self._compile(entry):
                if spec.name in specs:
                    raise self.draft.error(
                        f"two features of '{self.set.name}' are named '{spec.name}'",
                        "give one of them a prefix= or another name",
                    )
                specs[spec.name] = spec
                self.places[spec.name] = self.draft.location
        return specs

    def _compile(self, entry: Feature) -> Iterator[FeatureSpec]:  # noqa: PLR0911  # one a kind
        match entry:
            case WindowFeatures():
                return plan_windows(self.draft, entry)
            case StateFeatures():
                return self._states(entry)
            case CalendarFeatures():
                return self._calendar(entry)
            case TimeAwareEncoding():
                return plan_encoding(self.draft, entry)
            case EncoderFeature():
                return self._encoder(entry)
            case Column(name):
                return self._expression(name, entry)
            case NamedExpression(name, expression):
                return self._expression(name, expression)

    def _states(self, entry: StateFeatures) -> Iterator[FeatureSpec]:
        for column in entry.columns:
            state = StateColumn(entry.state.view, column, entry.on, entry.tolerance_us)
            self.draft.use_state(state, NUMBERS)
            text = f"{column} of {entry.state.name} for the {' and '.join(entry.on)}"
            if entry.state.valid_from:
                limit = f", at most {format_duration(entry.tolerance_us)} old" if entry.tolerance_us is not None else ""
                text += f", as last known{limit}"
            step = StateStep(entry.state.name, entry.on, column, entry.tolerance_us)
            yield FeatureSpec(f"{entry.prefix}_{column}", "state", "float32", text, step)

    def _calendar(self, entry: CalendarFeatures) -> Iterator[FeatureSpec]:
        self.draft.use(self.draft.spine, entry.column, frozenset({TIMESTAMP}), "a calendar field")
        for field in entry.fields:
            for encoding in ("sin", "cos") if entry.cyclic else ("number",):
                suffix = f"_{encoding}" if entry.cyclic else ""
                text = f"{field.replace('_', ' ')} of {entry.column} in {entry.tz}"
                text += f", {'sine' if encoding == 'sin' else 'cosine'} on its circle" if entry.cyclic else ""
                step = CalendarStep(entry.column, field, entry.tz, encoding)
                yield FeatureSpec(f"{entry.column}_{field}{suffix}", "calendar", "float32", text, step)

    def _encoder(self, entry: EncoderFeature) -> Iterator[FeatureSpec]:
        encoder, parts = entry.specs()
        for expression in encoder.of:
            dtype = self.draft.asked_dtype(expression)
            if dtype not in entry.dtypes:
                allowed = ", ".join(sorted(entry.dtypes))
                raise self.draft.error(f"{entry.kind} of '{expression}', a {dtype}; allowed: {allowed}")
        self.draft.encoder(encoder)
        for name, part, text in parts:
            yield FeatureSpec(name, "encoded", "float32", text, EncoderStep(encoder.name, part))

    def _expression(self, name: str, expression: Expression) -> Iterator[FeatureSpec]:
        dtype = self.draft.asked_dtype(expression)
        if dtype not in NUMBERS:
            hint = "encode it: for example hr.one_hot or hr.ordinal" if dtype == "string" else None
            raise self.draft.error(f"feature '{name}' is a {dtype}, not a number", hint)
        bare = isinstance(expression, Column)
        text = f"{expression} of the request" if bare else str(expression)
        yield FeatureSpec(name, "request" if bare else "derived", "float32", text, ExpressionStep(expression))

    def _check_references(self, specs: dict[str, FeatureSpec]) -> None:
        """Expressions may name features that stand after them; circles are found when the plan is made."""
        known = {*specs, *(spec.name for spec in self.draft.intermediates.values())}
        for name, location in self.draft.references.items():
            if name not in known:
                raise DefinitionError(
                    f"an expression reads the feature '{name}', which '{self.set.name}' does not have",
                    hint=located_hint(location, did_you_mean(name, specs)),
                )
