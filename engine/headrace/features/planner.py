"""Compile a feature set to a plan: every column found, every type checked, every name unique, before a row is read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from headrace.core.errors import DefinitionError, did_you_mean
from headrace.features.calendar_features import CalendarFeatures
from headrace.features.definitions import Feature, FeatureSet, StateFeatures, WindowFeatures
from headrace.features.dtypes import INTEGERS, KEYS, NUMBERS, TIMESTAMP, expression_dtype
from headrace.features.durations import format_duration, parse_duration_us
from headrace.features.expressions import Column, Expression, NamedExpression, StateColumn
from headrace.features.locations import located_hint
from headrace.features.plan import (
    CalendarStep,
    ExpressionStep,
    FeaturePlan,
    FeatureSpec,
    StateStep,
    WindowStep,
)
from headrace.features.spans import WindowSpan
from headrace.features.tables import EventTable
from headrace.features.views import EventView, StateView

Schemas = Mapping[str, Mapping[str, str]]


def compile_plan(feature_set: FeatureSet, schemas: Schemas) -> FeaturePlan:
    """Compile a feature set against the tables it reads.

    Args:
        feature_set: what the user declared.
        schemas: column types (`int64`, `float64`, `string`, `timestamp`, ...) by column, by stored table.

    Raises:
        DefinitionError: an unknown table or column, a type that does not fit, or two features with one name.
    """
    return _Planner(feature_set, schemas).plan()


class _Planner:
    """Collects what the features read while it compiles them.

    Invariants: every column handed to a feature has been checked and recorded; a view name means one view.
    """

    def __init__(self, feature_set: FeatureSet, schemas: Schemas) -> None:
        self.set = feature_set
        self.schemas = schemas
        self.columns: dict[str, dict[str, str]] = {}
        self.event_views: dict[str, EventView] = {}
        self.state_views: dict[str, StateView] = {}
        self.location = feature_set.location
        self.spine = feature_set.spine.table

    def plan(self) -> FeaturePlan:
        at = self.set.query_time
        self._use(self.spine, at.column, frozenset({TIMESTAMP}), "the query time")
        if self.set.row_id is not None:
            self._use(self.spine, self.set.row_id, KEYS, "the row id")
        specs: dict[str, FeatureSpec] = {}
        for entry in self.set.features:
            self.location = getattr(entry, "location", self.set.location)
            for spec in self._compile(entry):
                if spec.name in specs:
                    raise DefinitionError(
                        f"two features of '{self.set.name}' are named '{spec.name}'",
                        hint=located_hint(self.location, "give one of them a prefix= or another name"),
                    )
                specs[spec.name] = spec
        return FeaturePlan(
            name=self.set.name,
            spine=self.spine,
            at=at,
            row_id=self.set.row_id,
            columns={table: dict(sorted(self.columns[table].items())) for table in sorted(self.columns)},
            event_views=dict(sorted(self.event_views.items())),
            state_views=dict(sorted(self.state_views.items())),
            features=tuple(specs.values()),
        )

    def _compile(self, entry: Feature) -> Iterator[FeatureSpec]:
        match entry:
            case WindowFeatures():
                return self._windows(entry)
            case StateFeatures():
                return self._states(entry)
            case CalendarFeatures():
                return self._calendar(entry)
            case Column(name):
                return self._expression(name, entry)
            case NamedExpression(name, expression):
                return self._expression(name, expression)

    def _windows(self, entry: WindowFeatures) -> Iterator[FeatureSpec]:
        view = self._event_view(entry.events)
        for by, on in zip(entry.by, entry.on, strict=True):
            self._same_key_kind(view.table, by, on)
        for column, aggregates in entry.values:
            columns: tuple[Expression, ...] = ()
            bits: tuple[int, ...] = ()
            if column is not None:
                dtype = self._use(view.table, column, NUMBERS, f"windows over '{view.name}'")
                columns = (Column(column),)
                bits = (0 if dtype in INTEGERS else entry.events.resolution_bits(column),)
            for aggregate in aggregates:
                for width in entry.over:
                    name = "_".join([entry.prefix, *([column] if column else []), aggregate.label, width])
                    threshold = getattr(aggregate, "above", None)
                    step = WindowStep(
                        view=view.name, by=entry.by, on=entry.on, where=None,
                        span=WindowSpan("duration", parse_duration_us(width)), columns=columns,
                        statistic=aggregate.kind, parameter=None if threshold is None else float(threshold),
                        skip_nan=False, empty=None, resolution_bits=bits,
                    )  # fmt: skip
                    what = f"{aggregate.label} of {column}" if column else "number"
                    text = f"{what} over the last {width} of {view.name} with the same {' and '.join(entry.on)}"
                    yield FeatureSpec(name, "window", "float32", text, step)

    def _states(self, entry: StateFeatures) -> Iterator[FeatureSpec]:
        for column in entry.columns:
            state = StateColumn(entry.state.view, column, entry.on, entry.tolerance_us)
            self._use_state(state, NUMBERS)
            text = f"{column} of {entry.state.name} for the {' and '.join(entry.on)}"
            if entry.state.valid_from:
                limit = f", at most {format_duration(entry.tolerance_us)} old" if entry.tolerance_us is not None else ""
                text += f", as last known{limit}"
            step = StateStep(entry.state.name, entry.on, column, entry.tolerance_us)
            yield FeatureSpec(f"{entry.prefix}_{column}", "state", "float32", text, step)

    def _calendar(self, entry: CalendarFeatures) -> Iterator[FeatureSpec]:
        self._use(self.spine, entry.column, frozenset({TIMESTAMP}), "a calendar field")
        for field in entry.fields:
            for encoding in ("sin", "cos") if entry.cyclic else ("number",):
                suffix = f"_{encoding}" if entry.cyclic else ""
                text = f"{field.replace('_', ' ')} of {entry.column} in {entry.tz}"
                text += f", {'sine' if encoding == 'sin' else 'cosine'} on its circle" if entry.cyclic else ""
                step = CalendarStep(entry.column, field, entry.tz, encoding)
                yield FeatureSpec(f"{entry.column}_{field}{suffix}", "calendar", "float32", text, step)

    def _expression(self, name: str, expression: Expression) -> Iterator[FeatureSpec]:
        dtype = expression_dtype(expression, self._leaf_dtype)
        if dtype not in NUMBERS:
            raise DefinitionError(f"feature '{name}' is a {dtype}, not a number", hint=self.location)
        bare = isinstance(expression, Column)
        text = f"{expression} of the request" if bare else str(expression)
        yield FeatureSpec(name, "request" if bare else "derived", "float32", text, ExpressionStep(expression))

    def _leaf_dtype(self, leaf: Expression) -> str:
        if isinstance(leaf, Column):
            return self._use(self.spine, leaf.name, NUMBERS | {TIMESTAMP, "string"}, "an expression")
        assert isinstance(leaf, StateColumn), leaf
        return self._use_state(leaf, NUMBERS | {TIMESTAMP, "string"})

    def _event_view(self, events: EventTable) -> EventView:
        view = events.view
        times = [view.event_time, *([view.available_at] if view.available_at else [])]
        for column in times:
            self._use(view.table, column, frozenset({TIMESTAMP}), f"event table '{view.name}'")
        if self.event_views.setdefault(view.name, view) != view:
            raise DefinitionError(f"two different event tables are named '{view.name}'", hint=self.location)
        return view

    def _use_state(self, state: StateColumn, allowed: frozenset[str]) -> str:
        view = state.view
        if self.state_views.setdefault(view.name, view) != view:
            raise DefinitionError(f"two different state tables are named '{view.name}'", hint=self.location)
        for key, on in zip(view.keys, state.on, strict=True):
            self._same_key_kind(view.table, key, on)
        if view.valid_from is not None:
            self._use(view.table, view.valid_from, frozenset({TIMESTAMP}), f"state table '{view.name}'")
        return self._use(view.table, state.column, allowed, f"state table '{view.name}'")

    def _same_key_kind(self, table: str, by: str, on: str) -> None:
        mine = self._use(table, by, KEYS, "a key")
        theirs = self._use(self.spine, on, KEYS, "a key")
        if (mine == "string") != (theirs == "string"):
            raise DefinitionError(
                f"key '{by}' of table '{table}' is a {mine}, '{on}' of '{self.spine}' a {theirs}", hint=self.location
            )

    def _use(self, table: str, column: str, allowed: frozenset[str], reader: str) -> str:
        if table not in self.schemas:
            raise DefinitionError(
                f"{reader} reads table '{table}', which is not there",
                hint=located_hint(self.location, did_you_mean(table, self.schemas)),
            )
        if column not in self.schemas[table]:
            raise DefinitionError(
                f"{reader} reads column '{column}', which table '{table}' does not have",
                hint=located_hint(self.location, did_you_mean(column, self.schemas[table])),
            )
        dtype = self.schemas[table][column]
        if dtype not in allowed:
            raise DefinitionError(
                f"{reader} reads column '{column}' of '{table}', a {dtype}; allowed: {', '.join(sorted(allowed))}",
                hint=self.location,
            )
        self.columns.setdefault(table, {})[column] = dtype
        return dtype
