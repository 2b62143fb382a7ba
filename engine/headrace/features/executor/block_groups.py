"""Which features are computed together: those that meet one table by one key, in blocks that read it in one way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from headrace.features.device import CPU_ONLY, Devices, Placement
from headrace.features.executor.columns import TableColumns
from headrace.features.executor.key_groups import Block
from headrace.features.executor.row_values import state_leaves
from headrace.features.executor.spine import Spine
from headrace.features.executor.states import StateBlock, StateKey, state_key
from headrace.features.executor.statistics import sources_of
from headrace.features.executor.windows import WindowBlock, block_key
from headrace.features.plan import FeaturePlan, StateStep, WindowStep

GroupKey = tuple[str, tuple[str, ...], tuple[str, ...]]
"""Table, its key columns, the spine's."""

_Steps = list[tuple[WindowStep, int]]


@dataclass
class GroupWork:
    """The blocks of one group, by where they are to be computed."""

    host: list[Block] = field(default_factory=list)
    device: list[Block] = field(default_factory=list)


class BlockGroups:
    """Sorts a plan's features into groups and blocks. Slots count the matrix's columns, then the intermediates.

    Attributes:
        columns: tables by name; one more where rows that ask stand behind the events of a table.
        states: the lookups, by what they look up.
        placements: what stays on the CPU although there is a device, and why.
    """

    def __init__(self, plan: FeaturePlan, columns: Mapping[str, TableColumns], spine: Spine) -> None:
        self.columns = dict(columns)
        self.states: dict[StateKey, StateBlock] = {}
        self.placements: list[Placement] = []
        self._plan = plan
        self._spine = spine

    def sort(self, devices: Devices = CPU_ONLY, threads: int = 1) -> dict[GroupKey, GroupWork]:
        """Make the blocks.

        Args:
            devices: where some of them may go.
            threads: of the CPU, which decides what is worth copying.
        """
        windows, states, matched = self._sorted_steps()
        groups: dict[GroupKey, GroupWork] = {}
        for (table, by, on), members in windows.items():
            for steps in members.values():
                self._add_windows(groups, (table, by, on), steps, devices, threads)
        for asked, chosen in states.items():
            self._add_states(groups, asked, chosen, keep=asked in matched, devices=devices, threads=threads)
        return groups

    def _sorted_steps(
        self,
    ) -> tuple[
        dict[GroupKey, dict[tuple[str, str, bool], _Steps]], dict[StateKey, list[tuple[str, int]]], set[StateKey]
    ]:
        windows: dict[GroupKey, dict[tuple[str, str, bool], _Steps]] = {}
        states: dict[StateKey, list[tuple[str, int]]] = {}
        matched: set[StateKey] = set()
        for slot, spec in enumerate((*self._plan.features, *self._plan.intermediates)):
            if isinstance(spec.step, WindowStep):
                table = self._plan.event_views[spec.step.view].table
                group = windows.setdefault((table, spec.step.by, spec.step.on), {})
                group.setdefault(block_key(spec.step), []).append((spec.step, slot))
            elif isinstance(spec.step, StateStep):
                key = (spec.step.view, spec.step.on, spec.step.tolerance_us)
                states.setdefault(key, []).append((spec.step.column, slot))
            for leaf in state_leaves(self._plan, spec):
                states.setdefault(state_key(leaf), [])
                matched.add(state_key(leaf))
        return windows, states, matched

    def _add_windows(
        self, groups: dict[GroupKey, GroupWork], key: GroupKey, steps: _Steps, devices: Devices, threads: int
    ) -> None:
        table, by, on = key
        source, n_asking = self._events_of(table, steps)
        block = self._window_block(source, steps, n_asking)
        work = groups.setdefault((source, by, on), GroupWork())
        if not devices.devices:
            work.host.append(block)
            return
        from headrace.features.executor.device.placing import GroupSize, split_steps, why_not

        late = block.times.known is not None
        there, others = split_steps(steps)
        for reason, left in others.items():
            self._stays(key, len(left), reason)
        if there:
            values = {source.key for step, _ in there for source in sources_of(step)}
            size = GroupSize(block.events.n_rows, self._spine.columns.n_rows, len(there), len(values))
            reason = why_not(size, devices, threads, late=late)
            if reason:
                self._stays(key, len(there), reason)
                there, others = [], {"": steps}
        if there:
            work.device.append(block if len(there) == len(steps) else self._window_block(source, there, n_asking))
        if others:
            left = [each for steps_of in others.values() for each in steps_of]
            work.host.append(block if len(left) == len(steps) else self._window_block(source, left, n_asking))

    def _window_block(self, source: str, steps: _Steps, n_asking: int) -> WindowBlock:
        block = WindowBlock(self._plan.event_views[steps[0][0].view], self.columns[source], steps, n_asking)
        block.set_clocks(self._spine)
        return block

    def _add_states(
        self, groups: dict[GroupKey, GroupWork], asked: StateKey, chosen: list[tuple[str, int]], *, keep: bool,
        devices: Devices, threads: int,
    ) -> None:  # fmt: skip
        view = self._plan.state_views[asked[0]]
        block = StateBlock(view, self.columns[view.table], asked[2], chosen)
        if keep:
            block.keep_matches(self._spine.columns.n_rows)
        self.states[asked] = block
        key = (view.table, view.keys, asked[1])
        work = groups.setdefault(key, GroupWork())
        if not devices.devices:
            work.host.append(block)
            return
        from headrace.features.executor.device.placing import GroupSize, why_not

        size = GroupSize(block.events.n_rows, self._spine.columns.n_rows, len(chosen), len(chosen))
        reason = why_not(size, devices, threads, late=False)
        if reason:
            self._stays(key, len(chosen), reason)
        (work.host if reason else work.device).append(block)

    def _stays(self, key: GroupKey, features: int, reason: str) -> None:
        self.placements.append(Placement(name_of(key), "cpu", features, reason))

    def _events_of(self, table: str, steps: Sequence[tuple[WindowStep, int]]) -> tuple[str, int]:
        """The table that a block reads, and how many rows that ask stand behind its events.

        A row that counts itself is found among the events where the spine is their table; otherwise it brings its own
        values along.
        """
        asks_itself = any(step.span.include_current for step, _ in steps)
        if not asks_itself or self.columns[table] is self._spine.columns:
            return table, 0
        together = f"{table} and the rows that ask"
        if together not in self.columns:
            self.columns[together] = self.columns[table].followed_by(self._spine.columns)
        return together, self._spine.columns.n_rows


def name_of(key: GroupKey) -> str:
    """A group in words."""
    return f"{key[0]} by {', '.join(key[2]) or 'nothing'}"
