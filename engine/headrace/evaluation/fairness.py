"""Fairness: how decisions fall on the groups of a sensitive column, as differences and ratios with intervals.

Figures of groups are fairlearn's; their intervals come from the same draws of blocks as every other figure's, because
fairlearn's own bootstrap takes rows as independent.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
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
    measured = _Measured(values, drawn, settings.confidence, resamples.n_blocks)
    rows = [
        GroupRow(name, int((texts == name).sum()), {metric: measured.of(metric, name) for metric in FAIRNESS_METRICS})
        for name in kept
    ]
    rows.sort(key=lambda one: (-one.rows, one.group))
    found = {metric: measured.disparity(metric) for metric in FAIRNESS_METRICS}
    disparities = {metric: one for metric, one in found.items() if one is not None}
    return Fairness(tuple(rows), disparities, tuple(names[counts < settings.min_slice_rows].tolist()))


@dataclass(frozen=True)
class _Measured:
    """Values and replicates of every metric and group."""

    values: Mapping[str, Mapping[str, float]]
    drawn: Mapping[str, Mapping[str, Numbers]]
    confidence: float
    blocks: int

    def of(self, metric: str, group: str) -> Figure:
        """One group's figure."""
        return self._figure(self.values[metric][group], self.drawn[group][metric])

    def disparity(self, metric: str) -> Disparity | None:
        """The two groups farthest apart; None where fewer than two have the metric."""
        values = {group: value for group, value in self.values[metric].items() if not np.isnan(value)}
        if len(values) < 2:
            return None
        ranked = sorted(values, key=values.__getitem__)
        low, high = ranked[0], ranked[-1]
        least, most = self.drawn[low][metric], self.drawn[high][metric]
        with np.errstate(invalid="ignore", divide="ignore"):
            ratios = least / most
        ratio = values[low] / values[high] if values[high] else float("nan")
        difference = self._figure(values[high] - values[low], most - least)
        return Disparity(high, low, difference, self._figure(ratio, ratios))

    def _figure(self, value: float, replicates: Numbers) -> Figure:
        return Figure.of_replicates(value, replicates, self.confidence, blocks=self.blocks)


def _by_group(
    labels: Labels, flags: Flags, texts: npt.NDArray[np.str_], kept: list[str]
) -> dict[str, dict[str, float]]:
    """Metric -> group -> value, by fairlearn; NaN where a group has no row to divide by."""
    from fairlearn.metrics import MetricFrame, false_positive_rate, selection_rate, true_positive_rate
    from sklearn.metrics import precision_score

    if not kept:
        return {metric: {} for metric in FAIRNESS_METRICS}
    functions = {
        "selection_rate": selection_rate,
        "true_positive_rate": true_positive_rate,
        "false_positive_rate": false_positive_rate,
        "precision": partial(precision_score, zero_division=np.nan),
    }
    inside = np.isin(texts, kept)
    right, acted = labels[inside].astype(np.int64), flags[inside].astype(np.int64)
    frame = MetricFrame(metrics=functions, y_true=right, y_pred=acted, sensitive_features=texts[inside])
    found = {
        metric: {str(group): float(value) for group, value in frame.by_group[metric].items()} for metric in functions
    }
    for group in kept:  # fairlearn calls a share of nobody 0
        own = labels[texts == group]
        found["true_positive_rate"][group] = found["true_positive_rate"][group] if own.any() else float("nan")
        found["false_positive_rate"][group] = found["false_positive_rate"][group] if not own.all() else float("nan")
    return found


def _replicates(labels: Labels, flags: Flags, rows: npt.NDArray[np.intp], resamples: Resamples) -> dict[str, Numbers]:
    drawn, right, acted = resamples.subset(rows), labels[rows], flags[rows]
    cells = {"tp": acted & right, "fp": acted & ~right, "fn": ~acted & right, "tn": ~acted & ~right}
    counted = rates({name: drawn.totals(cell.astype(np.float64)) for name, cell in cells.items()})
    return {metric: counted[rate] for metric, rate in FAIRNESS_METRICS.items()}
