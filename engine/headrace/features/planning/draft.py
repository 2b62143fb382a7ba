"""A plan under construction: what the features read so far, every column found and every type checked."""

from __future__ import annotations

from collections.abc import Mapping

from headrace.core.errors import DefinitionError, did_you_mean
from headrace.core.hashing import digest_json
from headrace.features.definition.durations import TimeOffset
from headrace.features.definition.expressions import Column, Expression, FeatureColumn, Literal, StateColumn, leaves
from headrace.features.definition.locations import located_hint
from headrace.features.definition.tables import EventTable
from headrace.features.plan import EncoderSpec, FeatureSpec, Role, Step
from headrace.features.planning.dtypes import KEYS, NUMBERS, TIMESTAMP, expression_dtype
from headrace.features.planning.step_format import encoder_to_json, step_to_json
from headrace.features.views import EventView, StateView

Schemas = Mapping[str, Mapping[str, str]]

_VALUES = NUMBERS | {TIMESTAMP, "string"}
_SEQUENCES = frozenset({"int8", "int16", "int32", "int64", "uint8", "uint16", "uint32"})


class Draft:
    """Collects what features read while they are compiled.

    Invariants: every column handed to a feature has been checked and recorded; a view name means one view; equal
    intermediates are one.

    Attributes:
        spine: name of the stored table whose rows ask.
        at: their query time.
        location: where the definition at hand was written.
        columns: dtype of every column read, by table.
        event_views: by name.
        state_views: by name.
        encoders: by name.
        intermediates: by what they compute.
        references: names of features that expressions read, and where.
    """

    def __init__(self, schemas: Schemas, spine: str, at: TimeOffset, location: str) -> None:
        self.schemas = schemas
        self.spine = spine
        self.at = at
        self.location = location
        self.columns: dict[str, dict[str, str]] = {}
        self.event_views: dict[str, EventView] = {}
        self.state_views: dict[str, StateView] = {}
        self.encoders: dict[str, EncoderSpec] = {}
        self.intermediates: dict[str, FeatureSpec] = {}
        self.references: dict[str, str] = {}

    def error(self, message: str, hint: str | None = None) -> DefinitionError:
        """An error about the definition at hand."""
        return DefinitionError(message, hint=located_hint(self.location, hint))

    def intermediate(self, name: str, role: Role, description: str, step: Step) -> FeatureColumn:
        """A float64 value for expressions to read; of equal ones there is one, with the first one's name."""
        key = digest_json(step_to_json(step))
        spec = self.intermediates.setdefault(key, FeatureSpec(name, role, "float64", description, step))
        return FeatureColumn(spec.name)

    def encoder(self, spec: EncoderSpec) -> None:
        """Record an encoder.

        Raises:
            DefinitionError: another one has its name.
        """
        if encoder_to_json(self.encoders.setdefault(spec.name, spec)) != encoder_to_json(spec):
            raise self.error(f"two different encoders are named '{spec.name}'", "name the value: .named('...')")

    def asked_dtype(self, expression: Expression) -> str:
        """Type of an expression over the spine row, its states and other features; what it reads is recorded."""
        return expression_dtype(expression, self._asked_leaf)

    def event_dtype(self, expression: Expression, view: EventView, reader: str) -> str:
        """Type of an expression over the event row; what it reads is recorded."""
        for leaf in leaves(expression):
            if not isinstance(leaf, Column | Literal):
                raise self.error(
                    f"{reader}: '{leaf}' is no column of '{view.table}'", "only the event row itself is read"
                )

        def dtype_of(leaf: Expression) -> str:
            assert isinstance(leaf, Column), leaf
            return self.use(view.table, leaf.name, _VALUES, reader)

        return expression_dtype(expression, dtype_of)

    def event_view(self, events: EventTable) -> EventView:
        """Record an event table as a view.

        Raises:
            DefinitionError: a time column is missing or has another type, or another view has its name.
        """
        view = events.view
        for column in [view.event_time, *([view.available_at] if view.available_at else [])]:
            self.use(view.table, column, frozenset({TIMESTAMP}), f"event table '{view.name}'")
        if view.sequence is not None:
            self.use(view.table, view.sequence, _SEQUENCES, f"the sequence of '{view.name}'")
        if self.event_views.setdefault(view.name, view) != view:
            raise self.error(f"two different event tables are named '{view.name}'")
        return view

    def use_state(self, state: StateColumn, allowed: frozenset[str]) -> str:
        """Record a state's column and give its type.

        Raises:
            DefinitionError: a column is missing or has another type, or another view has the state's name.
        """
        view = state.view
        if self.state_views.setdefault(view.name, view) != view:
            raise self.error(f"two different state tables are named '{view.name}'")
        for key, on in zip(view.keys, state.on, strict=True):
            self.same_key_kind(view.table, key, on)
        if view.valid_from is not None:
            self.use(view.table, view.valid_from, frozenset({TIMESTAMP}), f"state table '{view.name}'")
        return self.use(view.table, state.column, allowed, f"state table '{view.name}'")

    def same_key_kind(self, table: str, by: str, on: str) -> None:
        """Check that a key and the spine's column for it can be compared.

        Raises:
            DefinitionError: one is missing, is no key, or only one of them is a string.
        """
        mine = self.use(table, by, KEYS, "a key")
        theirs = self.use(self.spine, on, KEYS, "a key")
        if (mine == "string") != (theirs == "string"):
            raise self.error(f"key '{by}' of table '{table}' is a {mine}, '{on}' of '{self.spine}' a {theirs}")

    def use(self, table: str, column: str, allowed: frozenset[str], reader: str) -> str:
        """Record a column and give its type.

        Raises:
            DefinitionError: the table or column is missing, or has another type.
        """
        if table not in self.schemas:
            raise self.error(f"{reader} reads table '{table}', which is not there", did_you_mean(table, self.schemas))
        if column not in self.schemas[table]:
            raise self.error(
                f"{reader} reads column '{column}', which table '{table}' does not have",
                did_you_mean(column, self.schemas[table]),
            )
        dtype = self.schemas[table][column]
        if dtype not in allowed:
            raise self.error(
                f"{reader} reads column '{column}' of '{table}', a {dtype}; allowed: {', '.join(sorted(allowed))}"
            )
        self.columns.setdefault(table, {})[column] = dtype
        return dtype

    def _asked_leaf(self, leaf: Expression) -> str:
        if isinstance(leaf, Column):
            return self.use(self.spine, leaf.name, _VALUES, "an expression")
        if isinstance(leaf, FeatureColumn):
            self.references.setdefault(leaf.name, self.location)
            return "float64"
        assert isinstance(leaf, StateColumn), leaf
        return self.use_state(leaf, _VALUES)
