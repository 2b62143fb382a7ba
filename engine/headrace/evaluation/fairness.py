"""Fairness: how decisions fall on the groups of a sensitive column, as differences and ratios with intervals.

Figures of groups are fairlearn's; their intervals come from the same draws of blocks as every other figure's, because
fairlearn's own bootstrap takes rows as independent.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from headrace.evaluation.assessment import EvaluationSettings
from headrace.evaluation.decisions import Flags, rates
from headrace.evaluation.figures import Figure
from headrace.evaluation.metrics import Labels
from headrace.evaluation.resampling import Resamples

FOUR_FIFTHS = 0.8

# Ours -> the name of the rate that its replicates are made of.
FAIRNESS_METRICS = {
    "selection_rate": "selection_rate",
    "true_positive_rate": "recall",
    "false_positive_rate": "false_positive_rate",
    "precision": "precision",
}

Numbers = npt.NDArray[np.float64]


@dataclass(frozen=True)
class GroupRow:
    """One group: how many rows it has and how decisions fall on it."""

    group: str
    rows: int
    figures: Mapping[str, Figure]

    def to_json(self) -> dict[str, Any]:
        """Encode as JSON data."""
        figures = {name: figure.to_json() for name, figure in self.figures.items()}
        return {"group": self.group, "rows": self.rows, "figures": figures}


@dataclass(frozen=True)
class Disparity:
    """The two groups that are farthest apart on the sample.

    Attributes:
        highest: the group with most of the metric.
        lowest: the group with least of it.
        difference: highest minus lowest, with the pair's interval.
        ratio: lowest over highest, with the pair's interval.
    """

    highest: str
    lowest: str
    difference: Figure
    ratio: Figure

    def to_json(self) -> dict[str, Any]:
        """Encode as JSON data."""
        return {
            "highest": self.highest,
            "lowest": self.lowest,
            "difference": self.difference.to_json(),
            "ratio": self.ratio.to_json(),
            "four_fifths": four_fifths(self.ratio),
        }


@dataclass(frozen=True)
class Fairness:
    """Decisions by the groups of one column.

    Attributes:
        groups: those with enough rows, most rows first.
        disparities: metric -> the widest one; absent where fewer than two groups were judged.
        insufficient: groups with too few rows to say anything.
    """

    groups: tuple[GroupRow, ...]
    disparities: Mapping[str, Disparity]
    insufficient: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Encode as JSON data."""
        return {
            "groups": [one.to_json() for one in self.groups],
            "disparities": {name: one.to_json() for name, one in self.disparities.items()},
            "insufficient": list(self.insufficient),
        }


def four_fifths(ratio: Figure) -> str:
    """The four-fifths rule read off an interval: `holds`, `broken`, or `open` where the interval lies across 0.8.

    Reference: Uniform Guidelines on Employee Selection Procedures, 29 CFR 1607.4 D.
    """
    if ratio.low >= FOUR_FIFTHS:
        return "holds"
    return "broken" if ratio.high < FOUR_FIFTHS else "open"


def judge_fairness(
    labels: Labels, flags: Flags, groups: npt.NDArray[Any], resamples: Resamples, settings: EvaluationSettings
) -> Fairness:
    """Judge decisions by group.

    Args:
        labels: bool[n], what was right.
        flags: bool[n], who was acted on.
        groups: [n], the sensitive column; None is a group of its own, `(missing)`.
        resamples: the draws for the intervals.
        settings: smallest group and confidence.
    """
    texts = np.array(["(missing)" if group is None else str(group) for group in groups.tolist()])
    names, counts = np.unique(texts, return_counts=True)
    kept = names[counts >= settings.min_slice_rows].tolist()
    values = _by_group(labels, flags, texts, kept)
    drawn = {name: _replicates(labels, flags, np.flatnonzero(texts == name), resamples) for name in kept}

    def figure(value: float, replicates: Numbers) -> Figure:
        return Figure.of_replicates(value, replicates, settings.confidence, blocks=resamples.n_blocks)

    rows = [
        GroupRow(
            name,
            int((texts == name).sum()),
            {metric: figure(values[metric][name], drawn[name][metric]) for metric in FAIRNESS_METRICS},
        )
        for name in kept
    ]
    disparities = {}
    for metric in FAIRNESS_METRICS:
        ranked = sorted(
            (group for group in kept if not np.isnan(values[metric][group])), key=values[metric].__getitem__
        )
        if len(ranked) < 2:
            continue
        low, high = ranked[0], ranked[-1]
        least, most = values[metric][low], values[metric][high]
        with np.errstate(invalid="ignore", divide="ignore"):
            ratios = drawn[low][metric] / drawn[high][metric]
        disparities[metric] = Disparity(
            high,
            low,
            figure(most - least, drawn[high][metric] - drawn[low][metric]),
            figure(least / most if most else float("nan"), ratios),
        )
    rows.sort(key=lambda one: (-one.rows, one.group))
    return Fairness(tuple(rows), disparities, tuple(names[counts < settings.min_slice_rows].tolist()))


def _by_group(
    labels: Labels, flags: Flags, texts: npt.NDArray[np.str_], kept: list[str]
) -> dict[str, dict[str, float]]:
    """Metric -> group -> value, by fairlearn; NaN where a group has no row to divide by."""
    from fairlearn.metrics import MetricFrame, false_positive_rate, selection_rate, true_positive_rate
    from sklearn.metrics import precision_score

    if not kept:
        return {metric: {} for metric in FAIRNESS_METRICS}

    def precision(wanted: Any, said: Any) -> float:
        return float(precision_score(wanted, said, zero_division=np.nan))

    functions = {
        "selection_rate": selection_rate,
        "true_positive_rate": true_positive_rate,
        "false_positive_rate": false_positive_rate,
        "precision": precision,
    }
    inside = np.isin(texts, kept)
    frame = MetricFrame(
        metrics=functions,
        y_true=labels[inside].astype(np.int64),
        y_pred=flags[inside].astype(np.int64),
        sensitive_features=texts[inside],
    )
    found = {
        metric: {str(group): float(value) for group, value in frame.by_group[metric].items()} for metric in functions
    }
    for group in kept:  # fairlearn calls the rate of nobody 0
        own = labels[texts == group]
        if not own.any():
            found["true_positive_rate"][group] = float("nan")
        if own.all():
            found["false_positive_rate"][group] = float("nan")
    return found


def _replicates(labels: Labels, flags: Flags, rows: npt.NDArray[np.intp], resamples: Resamples) -> dict[str, Numbers]:
    drawn, right, acted = resamples.subset(rows), labels[rows], flags[rows]
    cells = {"tp": acted & right, "fp": acted & ~right, "fn": ~acted & right, "tn": ~acted & ~right}
    counted = rates({name: drawn.totals(cell.astype(np.float64)) for name, cell in cells.items()})
    return {metric: counted[rate] for metric, rate in FAIRNESS_METRICS.items()}
