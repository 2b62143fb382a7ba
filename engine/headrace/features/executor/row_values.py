"""Features of the row itself: calendar fields, expressions and encoders, which may read other features."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa

from headrace.core.progress import Step
from headrace.features.definition.expressions import Column, Expression, FeatureColumn, StateColumn, leaves
from headrace.features.executor.columns import as_floats
from headrace.features.executor.evaluation import evaluate
from headrace.features.executor.key_groups import Target
from headrace.features.executor.spine import Spine
from headrace.features.executor.states import StateBlock, StateKey, state_key, take_states
from headrace.features.plan import CalendarStep, EncoderStep, ExpressionStep, FeaturePlan, FeatureSpec
from headrace.features.planning.subexpressions import SharedValues
from headrace_kernels.dtypes import Floats


class RowValues:
    """Features that need no events of their own. Slots count the matrix's columns, then the intermediates."""

    def __init__(self, plan: FeaturePlan, spine: Spine, target: Target, states: Mapping[StateKey, StateBlock]) -> None:
        """Take what the windows and states have written, and which state each row met."""
        self.plan = plan
        self.spine = spine
        self.target = target
        self.states = states
        self.specs = (*plan.features, *plan.intermediates)
        self.shared = SharedValues(plan)
        self.slot_of = {spec.name: slot for slot, spec in enumerate(self.specs)}

    def calendar_tasks(self) -> list[Callable[[], None]]:
        """Work that writes the calendar features."""
        calendars: dict[tuple[str, str], list[tuple[CalendarStep, int]]] = {}
        for slot, spec in enumerate(self.specs):
            if isinstance(spec.step, CalendarStep):
                calendars.setdefault((spec.step.column, spec.step.tz), []).append((spec.step, slot))
        return [partial(self._write_calendar, key, chosen) for key, chosen in calendars.items()]

    def _write_calendar(self, key: tuple[str, str], chosen: Sequence[tuple[CalendarStep, int]]) -> None:
        from headrace.features.executor.calendars import write_calendar

        times, valid = self.spine.columns.times(key[0])
        inside = [(step, slot) for step, slot in chosen if slot < len(self.plan.features)]
        write_calendar(times, valid, [step for step, _ in inside], [slot for _, slot in inside], self.target.matrix)
        for step, slot in chosen:
            if slot >= len(self.plan.features):
                column = np.empty((len(times), 1), dtype=np.float32)
                write_calendar(times, valid, [step], [0], column)
                self._store(slot, column[:, 0].astype(np.float64))

    def write_dependants(self, step: Step) -> None:
        """Write expressions and encoders, in an order in which everything they read is there."""
        waiting = [
            (slot, spec) for slot, spec in enumerate(self.specs) if isinstance(spec.step, ExpressionStep | EncoderStep)
        ]
        missing = {spec.name for _, spec in waiting}
        encoded: dict[str, list[tuple[int, int]]] = {}
        while waiting:
            ready = [(slot, spec) for slot, spec in waiting if not _features_read(self.plan, spec) & missing]
            assert ready, "the planner refuses circles"
            for slot, spec in ready:
                step.note(spec.name)
                if isinstance(spec.step, ExpressionStep):
                    self._store(slot, as_floats(self._evaluate(spec.step.expression)))
                elif isinstance(spec.step, EncoderStep):
                    encoded.setdefault(spec.step.encoder, []).append((spec.step.part, slot))
            for name, parts in encoded.items():
                self._write_encoder(name, parts)
            encoded = {}
            missing -= {spec.name for _, spec in ready}
            waiting = [(slot, spec) for slot, spec in waiting if spec.name in missing]

    def _write_encoder(self, name: str, parts: Sequence[tuple[int, int]]) -> None:
        from headrace.features.encoding.encoder_run import write_encoder

        encoder = self.plan.encoders[name]
        values = [self._evaluate(expression) for expression in encoder.of]
        n_features = len(self.plan.features)
        inside = [(part, slot) for part, slot in parts if slot < n_features]
        if inside:
            write_encoder(encoder, values, inside, self.target.matrix)
        for part, slot in parts:
            if slot >= n_features:
                column = np.empty((len(self.target.matrix), 1), dtype=np.float32)
                write_encoder(encoder, values, [(part, 0)], column)
                self._store(slot, column[:, 0].astype(np.float64))

    def _evaluate(self, expression: Expression) -> pa.Array:
        return evaluate(expression, self._resolve, self.spine.columns.n_rows, shared=self.shared)

    def _resolve(self, leaf: Expression) -> Any:
        if isinstance(leaf, Column):
            return self.spine.columns.arrow(leaf.name)
        if isinstance(leaf, StateColumn):
            state = self.states[state_key(leaf)]
            assert state.matches is not None
            return take_states(state.events, leaf.column, state.matches)
        if isinstance(leaf, FeatureColumn):
            values = self._stored(self.slot_of[leaf.name])
            return pa.array(values, mask=np.isnan(values))
        return pa.array(self.spine.query_time).cast(pa.timestamp("us", "UTC"))

    def _store(self, slot: int, values: Floats) -> None:
        n_features = len(self.plan.features)
        if slot < n_features:
            self.target.matrix[:, slot] = values
        else:
            rounded = self.specs[slot].dtype == "float32"
            self.target.extra[:, slot - n_features] = values.astype(np.float32) if rounded else values

    def _stored(self, slot: int) -> Floats:
        n_features = len(self.plan.features)
        if slot < n_features:
            return self.target.matrix[:, slot].astype(np.float64)
        values: Floats = self.target.extra[:, slot - n_features]
        if self.specs[slot].dtype == "float32":
            return values.astype(np.float32).astype(np.float64)
        return values


def state_leaves(plan: FeaturePlan, spec: FeatureSpec) -> list[StateColumn]:
    """States that a feature of the row reads."""
    return [leaf for leaf in _leaves(plan, spec) if isinstance(leaf, StateColumn)]


def _features_read(plan: FeaturePlan, spec: FeatureSpec) -> set[str]:
    return {leaf.name for leaf in _leaves(plan, spec) if isinstance(leaf, FeatureColumn)}


def _leaves(plan: FeaturePlan, spec: FeatureSpec) -> list[Expression]:
    if isinstance(spec.step, ExpressionStep):
        return leaves(spec.step.expression)
    if isinstance(spec.step, EncoderStep):
        return [leaf for each in plan.encoders[spec.step.encoder].of for leaf in leaves(each)]
    return []
