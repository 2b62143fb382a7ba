"""Slices nobody declared: a shallow tree finds where the model errs most, and rows it has not seen say whether it does.

The tree is grown on half of the blocks and judged on the other half; a slice found and judged on the same rows would
always look bad. Reference: Chung et al., Automated Data Slicing for Model Validation, IEEE TKDE 32 (2020).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from headrace.core.hashing import finite_or_none
from headrace.evaluation.conditions import Condition, Table, node_conditions, words
from headrace.evaluation.figures import Figure
from headrace.evaluation.paired.corrections import adjusted_p_values
from headrace.evaluation.resampling import Resamples

Numbers = npt.NDArray[np.float64]


@dataclass(frozen=True)
class SearchSettings:
    """How slices are searched for.

    Attributes:
        depth: most conditions of a slice.
        min_rows: fewest rows of a slice, in each half.
        alpha: chance of naming any slice where all are alike.
        replicates: bootstrap draws.
        confidence: of the intervals.
        seed: of the halves and the draws.
    """

    depth: int = 3
    min_rows: int = 200
    alpha: float = 0.05
    replicates: int = 1_000
    confidence: float = 0.95
    seed: int = 0


@dataclass(frozen=True)
class FoundSlice:
    """One slice, judged on rows that did not find it.

    Attributes:
        conditions: all of them hold in it.
        rows: its rows in the judging half.
        share: of the rows of that half.
        loss: mean loss inside.
        excess: mean loss inside minus mean loss outside, with its interval.
        p_value: of "it is no worse than the rest", adjusted by Holm over the slices judged.
    """

    conditions: tuple[Condition, ...]
    rows: int
    share: float
    loss: float
    excess: Figure
    p_value: float

    def __str__(self) -> str:
        return words(self.conditions)

    def to_json(self) -> dict[str, Any]:
        """Encode as JSON data."""
        return {
            "slice": str(self),
            "conditions": [condition.to_json() for condition in self.conditions],
            "rows": self.rows,
            "share": self.share,
            "loss": finite_or_none(self.loss),
            "excess": self.excess.to_json(),
            "p_value": finite_or_none(self.p_value),
        }


@dataclass(frozen=True)
class FoundSlices:
    """What the search gave.

    Attributes:
        loss: the loss that was searched, in words.
        slices: those significantly worse than the rest, worst first; of nested ones the clearest.
        judged: how many were judged, nested ones among them.
        rows: rows of the judging half.
    """

    loss: str
    slices: tuple[FoundSlice, ...]
    judged: int
    rows: int

    def to_json(self) -> dict[str, Any]:
        """Encode as JSON data."""
        return {
            "loss": self.loss,
            "slices": [one.to_json() for one in self.slices],
            "judged": self.judged,
            "rows": self.rows,
        }


def find_slices(
    losses: Numbers,
    columns: Mapping[str, npt.NDArray[Any]],
    blocks: npt.NDArray[np.int64],
    *,
    loss: str = "loss",
    settings: SearchSettings | None = None,
) -> FoundSlices:
    """Find slices with more loss than the rest.

    Args:
        losses: float64[n], of each row.
        columns: name -> [n], numbers (NaN = missing) or text, what slices may be described by.
        blocks: int64[n], what is drawn together; halves are halves of the blocks.
        loss: what the losses are, in words.
        settings: depth, sizes, level.
    """
    settings = settings or SearchSettings()
    table = Table.of(columns)
    finding = _half(blocks, settings.seed)
    judging = np.flatnonzero(~finding)
    if min(finding.sum(), judging.size) < 2 * settings.min_rows:
        return FoundSlices(loss, (), 0, int(judging.size))
    nodes = _grow(losses, table, finding, settings)
    drawn = Resamples.draw(blocks[judging], replicates=settings.replicates, seed=settings.seed)
    candidates, masks = [], []
    for conditions in nodes:
        inside = meet(conditions, table)[judging]
        if inside.sum() >= settings.min_rows and (~inside).sum() >= settings.min_rows:
            candidates.append(_judge(conditions, losses[judging], inside, drawn, settings.confidence))
            masks.append(inside)
    adjusted = adjusted_p_values([one.excess.p_at_most(0.0) for one in candidates])
    judged = [replace(one, p_value=float(p_value)) for one, p_value in zip(candidates, adjusted, strict=True)]
    kept = _clearest(judged, masks, settings.alpha)
    return FoundSlices(loss, kept, len(judged), int(judging.size))


def meet(conditions: Sequence[Condition], table: Table) -> npt.NDArray[np.bool_]:
    """Rows of a table that meet all conditions, bool[n]."""
    inside = np.ones(table.rows, np.bool_)
    for condition in conditions:
        inside &= condition.mask(table)
    return inside


def _clearest(
    judged: Sequence[FoundSlice], masks: Sequence[npt.NDArray[np.bool_]], alpha: float
) -> tuple[FoundSlice, ...]:
    """Slices that are significantly worse, without those inside or around one that is clearer, worst first."""
    worse = [place for place, one in enumerate(judged) if one.p_value <= alpha]
    kept: list[int] = []
    for place in sorted(worse, key=lambda place: -judged[place].excess.value / judged[place].excess.error):
        if not any((masks[place] & masks[other]).any() for other in kept):
            kept.append(place)
    return tuple(judged[place] for place in sorted(kept, key=lambda place: -judged[place].excess.value))


def _half(blocks: npt.NDArray[np.int64], seed: int) -> npt.NDArray[np.bool_]:
    """Rows of a random half of the blocks."""
    ids, codes = np.unique(blocks, return_inverse=True)
    chosen = np.zeros(ids.size, np.bool_)
    chosen[np.random.default_rng(seed).permutation(ids.size)[: ids.size // 2]] = True
    return np.asarray(chosen[codes])


def _grow(
    losses: Numbers, table: Table, rows: npt.NDArray[np.bool_], settings: SearchSettings
) -> list[tuple[Condition, ...]]:
    from sklearn.tree import DecisionTreeRegressor

    tree = DecisionTreeRegressor(
        max_depth=settings.depth, min_samples_leaf=settings.min_rows, random_state=settings.seed
    )
    tree.fit(table.values[rows], losses[rows])
    return list(node_conditions(tree.tree_, table).values())


def _judge(
    conditions: tuple[Condition, ...],
    losses: Numbers,
    inside: npt.NDArray[np.bool_],
    drawn: Resamples,
    confidence: float,
) -> FoundSlice:
    def means(part: npt.NDArray[np.bool_]) -> Numbers:
        with np.errstate(invalid="ignore"):
            return drawn.totals(np.where(part, losses, 0.0)) / drawn.totals(part.astype(np.float64))

    blocks = int(np.unique(drawn.blocks[inside]).size)
    excess = Figure.of_replicates(
        float(losses[inside].mean() - losses[~inside].mean()), means(inside) - means(~inside), confidence, blocks=blocks
    )
    return FoundSlice(
        conditions, int(inside.sum()), float(inside.mean()), float(losses[inside].mean()), excess, math.nan
    )
