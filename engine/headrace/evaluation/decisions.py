"""Decisions: what follows when rows at or above a threshold are acted on, with intervals.

Served scores are float32, so a threshold is a float32 number and scores are rounded to float32 before they meet it:
the same rows are acted on offline and online.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from headrace.core.hashing import finite_or_none
from headrace.evaluation.figures import Figure
from headrace.evaluation.metrics import Labels, Scores
from headrace.evaluation.resampling import Resamples

Numbers = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

# Whether more is better; of the rest neither side is.
DECISION_METRICS: dict[str, bool | None] = {
    "precision": True,
    "recall": True,
    "false_positive_rate": False,
    "accuracy": True,
    "f1": True,
    "selection_rate": None,
    "profit": True,
}


@dataclass(frozen=True)
class Worth:
    """What each outcome of a decision is worth, one number a row; costs are negative.

    Attributes:
        hit: acted on, rightly.
        false_alarm: acted on, wrongly.
        miss: not acted on, wrongly.
        rest: not acted on, rightly.
    """

    hit: Numbers
    false_alarm: Numbers
    miss: Numbers
    rest: Numbers

    def of(self, labels: Labels, flags: Flags) -> Numbers:
        """Worth of each row's decision, float64[n]."""
        acted = np.where(labels, self.hit, self.false_alarm)
        return np.where(flags, acted, np.where(labels, self.miss, self.rest))

    def rows(self, mask: Flags) -> Worth:
        """Of some of the rows."""
        return Worth(self.hit[mask], self.false_alarm[mask], self.miss[mask], self.rest[mask])


@dataclass(frozen=True)
class Decisions:
    """What follows at one threshold.

    Attributes:
        threshold: rows whose float32 score is at least this are acted on.
        figures: metric -> figure; `profit` a row, where it is known what outcomes are worth.
        counts: true and false positives and negatives.
        over_nobody: profit over acting on no row, paired; None where profit is not known.
        over_everybody: profit over acting on every row.
    """

    threshold: float
    figures: Mapping[str, Figure]
    counts: Mapping[str, int]
    over_nobody: Figure | None = None
    over_everybody: Figure | None = None

    def to_json(self) -> dict[str, Any]:
        """Encode as JSON data."""
        found: dict[str, Any] = {
            "threshold": finite_or_none(self.threshold),
            "figures": {name: figure.to_json() for name, figure in self.figures.items()},
            "counts": dict(self.counts),
        }
        rivals = {"profit_over_nobody": self.over_nobody, "profit_over_everybody": self.over_everybody}
        return found | {name: figure.to_json() for name, figure in rivals.items() if figure is not None}


def flag(scores: Scores, threshold: float) -> Flags:
    """Rows to act on, bool[n]: those whose float32 score is at least the float32 threshold."""
    return np.asarray(scores.astype(np.float32) >= np.float32(threshold))


def decide_at(
    labels: Labels,
    scores: Scores,
    threshold: float,
    resamples: Resamples,
    confidence: float,
    worth: Worth | None = None,
) -> Decisions:
    """Judge the decisions of one threshold.

    Args:
        labels: bool[n].
        scores: float64[n].
        threshold: where to act.
        resamples: the draws for the intervals.
        confidence: of the intervals.
        worth: what outcomes are worth; None: profit is not known.
    """
    flags = flag(scores, threshold)
    cells = {"tp": flags & labels, "fp": flags & ~labels, "fn": ~flags & labels, "tn": ~flags & ~labels}
    counts = {name: int(cell.sum()) for name, cell in cells.items()}
    drawn = {name: resamples.totals(cell.astype(np.float64)) for name, cell in cells.items()}
    values = rates({name: np.array([float(count)]) for name, count in counts.items()})
    replicates = rates(drawn)
    blocks = resamples.n_blocks
    figures = {
        name: Figure.of_replicates(float(values[name][0]), replicates[name], confidence, blocks=blocks)
        for name in values
    }
    if worth is None:
        return Decisions(threshold, figures, counts)
    profit = worth.of(labels, flags)

    def paired(rows: Numbers) -> Figure:
        return Figure.of_replicates(float(rows.mean()), resamples.means(rows), confidence, blocks=blocks)

    nobody, everybody = np.zeros(labels.size, np.bool_), np.ones(labels.size, np.bool_)
    return Decisions(
        threshold,
        figures | {"profit": paired(profit)},
        counts,
        over_nobody=paired(profit - worth.of(labels, nobody)),
        over_everybody=paired(profit - worth.of(labels, everybody)),
    )


def rates(counts: Mapping[str, Numbers]) -> dict[str, Numbers]:
    """Figures of counts of tp, fp, fn, tn, float64[R] each; NaN where there is nothing to divide by."""
    tp, fp, fn, tn = (counts[name] for name in ("tp", "fp", "fn", "tn"))
    with np.errstate(invalid="ignore", divide="ignore"):
        return {
            "precision": tp / (tp + fp),
            "recall": tp / (tp + fn),
            "false_positive_rate": fp / (fp + tn),
            "accuracy": (tp + tn) / (tp + fp + fn + tn),
            "f1": 2 * tp / (2 * tp + fp + fn),
            "selection_rate": (tp + fp) / (tp + fp + fn + tn),
        }
