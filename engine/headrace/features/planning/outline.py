"""How a plan is run, for people: what is grouped, bounded and scanned once, and how many features share it.

An outline is data; `text()` prints it and `svg()` draws it. It says what the plan's shape dictates (features that share
a view, a key and a condition share one grouping; those that also share an extent share its bounds; ...), which is what
the executor does, and nothing that depends on the data.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

from headrace.core.hashing import digest_json
from headrace.features.definition.durations import format_duration
from headrace.features.definition.expressions import StateColumn, leaves
from headrace.features.plan import (
    CalendarStep,
    EncoderStep,
    ExpressionStep,
    FeaturePlan,
    FeatureSpec,
    StateStep,
    WindowStep,
)
from headrace.features.planning.step_format import expression_key, step_to_json
from headrace.features.planning.subexpressions import evaluated_expressions, repeated_texts

_MATRIX_BYTES, _INTERMEDIATE_BYTES, _EVENT_BYTES, _VALUE_BYTES = 4, 8, 20, 8  # an event: two times and a key's code


@dataclass(frozen=True)
class Scan:
    """One pass over the windows of an extent.

    Attributes:
        reads: what it reads, or "events" where it reads no value.
        statistics: what it makes of it, each once.
        features: names of features and intermediates it gives.
    """

    reads: str
    statistics: tuple[str, ...]
    features: tuple[str, ...]


@dataclass(frozen=True)
class Extent:
    """One kind of window of a block: its bounds are found once."""

    label: str
    scans: tuple[Scan, ...]


@dataclass(frozen=True)
class Block:
    """Events of one view by one key under one condition: grouped and ordered once.

    Attributes:
        view: the events' name.
        table: the stored table.
        by: the events' key, empty for all events.
        on: the spine's key.
        where: the condition, or "".
        columns: values that its scans read, each gathered once.
        extents: its windows.
    """

    view: str
    table: str
    by: tuple[str, ...]
    on: tuple[str, ...]
    where: str
    columns: tuple[str, ...]
    extents: tuple[Extent, ...]

    @property
    def features(self) -> tuple[str, ...]:
        """Names of all its features and intermediates, each once."""
        return tuple(dict.fromkeys(f for extent in self.extents for scan in extent.scans for f in scan.features))


@dataclass(frozen=True)
class Match:
    """Rows of a state table, matched once for all columns that share key and tolerance."""

    view: str
    table: str
    on: tuple[str, ...]
    tolerance_us: int | None
    columns: tuple[str, ...]


@dataclass(frozen=True)
class Outline:
    """How a plan is run.

    Attributes:
        name: the plan's name.
        digest: the plan's digest.
        spine: the stored table whose rows ask.
        at: their query time.
        columns: columns read, by table.
        blocks: windows.
        matches: states.
        calendars: fields, by column and zone.
        encoders: names and the number of columns each gives.
        expressions: features that are expressions.
        repeated: subexpressions that occur more than once and are computed once.
        n_features: columns of the matrix.
        n_intermediates: values beside it.
        n_steps: different steps, each computed once.
    """

    name: str
    digest: str
    spine: str
    at: str
    columns: dict[str, tuple[str, ...]]
    blocks: tuple[Block, ...]
    matches: tuple[Match, ...]
    calendars: dict[str, tuple[str, ...]]
    encoders: dict[str, int]
    expressions: tuple[str, ...]
    repeated: dict[str, int]
    n_features: int
    n_intermediates: int
    n_steps: int

    @property
    def bytes_per_row(self) -> int:
        """Memory a spine row takes in the result and the intermediates."""
        return self.n_features * _MATRIX_BYTES + self.n_intermediates * _INTERMEDIATE_BYTES

    @property
    def bytes_per_event(self) -> dict[str, int]:
        """Memory an event takes while a block runs, the widest block, by view."""
        widest = Counter[str]()
        for block in self.blocks:
            widest[block.view] = max(widest[block.view], _EVENT_BYTES + _VALUE_BYTES * len(block.columns))
        return dict(widest)

    @property
    def shared(self) -> dict[str, tuple[int, int]]:
        """What is done once, and how often it would be done by features that share nothing: (done, asked)."""
        extents = [extent for block in self.blocks for extent in block.extents]
        scans = [scan for extent in extents for scan in extent.scans]
        asked = sum(len(scan.features) for scan in scans)
        return {
            "sorts": (len(self.blocks), asked),
            "bounds": (len(extents), asked),
            "scans": (len(scans), asked),
            "matches": (len(self.matches), sum(len(match.columns) for match in self.matches)),
        }

    def to_json(self) -> dict[str, Any]:
        """The outline as JSON data."""
        from headrace.features.planning.outline_text import outline_to_json

        return outline_to_json(self)

    def text(self) -> str:
        """The outline as a tree of lines."""
        from headrace.features.planning.outline_text import outline_text

        return outline_text(self)

    def svg(self) -> str:
        """The outline as a drawing: a self-contained SVG document, light and dark."""
        from headrace.features.planning.outline_drawing import outline_svg

        return outline_svg(self)


def outline(plan: FeaturePlan) -> Outline:
    """Say how a plan is run: O(size of the plan)."""
    specs = (*plan.features, *plan.intermediates)
    expressions = [spec for spec in specs if isinstance(spec.step, ExpressionStep)]
    encoders = Counter(spec.step.encoder for spec in specs if isinstance(spec.step, EncoderStep))
    calendars: dict[str, dict[str, None]] = {}
    for spec in specs:
        if isinstance(spec.step, CalendarStep):
            calendars.setdefault(f"{spec.step.column} in {spec.step.tz}", {})[spec.step.field] = None
    derived = [spec.name for spec in expressions if spec.role != "request"]
    return Outline(
        name=plan.name,
        digest=plan.digest,
        spine=plan.spine,
        at=str(plan.at),
        columns={table: tuple(columns) for table, columns in plan.columns.items()},
        blocks=_blocks(plan, specs),
        matches=_matches(plan, specs),
        calendars={place: tuple(fields) for place, fields in calendars.items()},
        encoders=dict(encoders),
        expressions=tuple(derived),
        repeated=repeated_texts(plan),
        n_features=len(plan.features),
        n_intermediates=len(plan.intermediates),
        n_steps=len({digest_json(step_to_json(spec.step)) for spec in specs}),
    )


def _blocks(plan: FeaturePlan, specs: tuple[FeatureSpec, ...]) -> tuple[Block, ...]:
    found: dict[tuple[Any, ...], list[tuple[str, WindowStep]]] = {}
    for spec in specs:
        step = spec.step
        if isinstance(step, WindowStep):
            found.setdefault((step.view, step.by, step.on, expression_key(step.where)), []).append((spec.name, step))
    return tuple(_block(plan, members) for members in found.values())


def _block(plan: FeaturePlan, members: list[tuple[str, WindowStep]]) -> Block:
    first = members[0][1]
    by_span: dict[Any, list[tuple[str, WindowStep]]] = {}
    for name, step in members:
        by_span.setdefault(step.span, []).append((name, step))
    return Block(
        view=first.view,
        table=plan.event_views[first.view].table,
        by=first.by,
        on=first.on,
        where="" if first.where is None else str(first.where),
        columns=tuple(dict.fromkeys(str(column) for _, step in members for column in step.columns)),
        extents=tuple(_extent(steps) for steps in by_span.values()),
    )


def _extent(members: list[tuple[str, WindowStep]]) -> Extent:
    span = members[0][1].span
    by_columns: dict[tuple[str, ...], list[tuple[str, WindowStep]]] = {}
    for name, step in members:
        by_columns.setdefault(tuple(map(expression_key, step.columns)), []).append((name, step))
    bounds = "" if span.closed == "left" else f", closed {span.closed}"
    current = ", with the row itself" if span.include_current else ""
    return Extent(f"{span.label}{bounds}{current}", tuple(_scan(steps) for steps in by_columns.values()))


def _scan(members: list[tuple[str, WindowStep]]) -> Scan:
    columns = members[0][1].columns
    statistics = dict.fromkeys(_statistic(step) for _, step in members)
    return Scan(
        reads=" with ".join(map(str, columns)) if columns else "events",
        statistics=tuple(statistics),
        features=tuple(name for name, _ in members),
    )


def _statistic(step: WindowStep) -> str:
    if step.parameter is None:
        return step.statistic
    timed = step.statistic == "since_last" or step.statistic.startswith("decayed_")
    return f"{step.statistic}({format_duration(int(step.parameter)) if timed else f'{step.parameter:.15g}'})"


def _matches(plan: FeaturePlan, specs: tuple[FeatureSpec, ...]) -> tuple[Match, ...]:
    found: dict[tuple[str, tuple[str, ...], int | None], dict[str, None]] = {}
    for spec in specs:
        if isinstance(spec.step, StateStep):
            found.setdefault((spec.step.view, spec.step.on, spec.step.tolerance_us), {})[spec.step.column] = None
    for expression in evaluated_expressions(plan):
        for leaf in leaves(expression):
            if isinstance(leaf, StateColumn):
                found.setdefault((leaf.view.name, leaf.on, leaf.tolerance_us), {})[leaf.column] = None
    return tuple(
        Match(view, plan.state_views[view].table, on, tolerance_us, tuple(columns))
        for (view, on, tolerance_us), columns in found.items()
    )
