"""What values are compared with: a number a slot, or the flag of the category that a row has.

All numbers lie in one table, the flags of sets behind them. A slot's place there is its own; for a category node it is
where its set begins, and the row's code, 0 in every other column, is added to it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from headrace.packaging.export.forest import Int64s
from headrace.packaging.export.graph import FLOAT32, Graph
from headrace.packaging.export.tensors.slots import Slots
from headrace.packaging.export.tensors.splits import Float32s, SplitPlan


@dataclass(frozen=True)
class Thresholds:
    """Adds look-ups of thresholds to a graph.

    Attributes:
        graph: the graph.
        numbers: float32[n_slots].
        places: int32[n_slots].
        table: name of the constant float32[n], numbers, then flags.
        place: name of the constant of places; None without categories.
    """

    graph: Graph
    numbers: Float32s
    places: Int64s
    table: str
    place: str | None

    def of(self, slots: Int64s, codes: str | None) -> str:
        """Thresholds at slots that are known beforehand, [..., 1], broadcast over rows unless there are codes."""
        if codes is None:
            return self.graph.constant(self.numbers[slots])
        places = self.graph.constant(self.places[slots].astype(np.int32))
        return self.graph.add("Gather", self.table, self.graph.add("Add", places, codes), axis=0)

    def at(self, slots: str, codes: str | None) -> str:
        """Thresholds at the slots that rows have reached."""
        if codes is None or self.place is None:
            return self.graph.add("Gather", self.table, slots, axis=0)
        places = self.graph.add("Add", self.graph.add("Gather", self.place, slots, axis=0), codes)
        return self.graph.add("Gather", self.table, places, axis=0)


def add_thresholds(graph: Graph, slots: Slots, plan: SplitPlan) -> Thresholds:
    """Add the tables; flags stay bytes in the file and become numbers when it is opened."""
    places = np.where(slots.flags < 0, np.arange(len(slots.flags)), len(slots.flags) + slots.flags)
    table = graph.constant(slots.threshold)
    if not len(plan.flags):
        return Thresholds(graph, slots.threshold, places, table, None)
    flags = graph.cast(graph.constant(plan.flags), FLOAT32)
    both = graph.add("Concat", table, flags, axis=0)
    return Thresholds(graph, slots.threshold, places, both, graph.constant(places.astype(np.int32)))
