"""Slices: the same figures for every group that is large enough to say something."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from headrace.core.hashing import finite_or_none
from headrace.evaluation.assessment import EvaluationSettings
from headrace.evaluation.figures import Figure
from headrace.evaluation.measures import HIGHER_IS_BETTER, measure
from headrace.evaluation.metrics import Scores
from headrace.evaluation.resampling import Resamples
from headrace.evaluation.task import Question, Task

SLICE_METRICS = tuple(name for name in HIGHER_IS_BETTER if name not in {"average_precision", "ece"})


class Judged(Protocol):
    """Predictions with what was right: a `Sample`."""

    @property
    def question(self) -> Question:
        """What they answer."""
        ...

    @property
    def labels(self) -> npt.NDArray[Any]:
        """One a row."""
        ...

    @property
    def scores(self) -> Scores:
        """One a row, or one a row and class."""
        ...

    @property
    def blocks(self) -> npt.NDArray[np.int64]:
        """What is drawn together."""
        ...

    @property
    def queries(self) -> npt.NDArray[np.int64] | None:
        """Of a ranking."""
        ...


@dataclass(frozen=True)
class Slice:
    """One group.

    Attributes:
        group: its name.
        rows: its rows.
        label_rate: share of positives, or mean of the labels; NaN of several classes.
        mean_score: mean of the predictions; NaN of several classes.
        figures: metric -> figure, those of the whole but the slowest.
    """

    group: str
    rows: int
    label_rate: float
    mean_score: float
    figures: Mapping[str, Figure]

    def to_json(self) -> dict[str, Any]:
        """Encode as JSON data."""
        return {
            "group": self.group,
            "rows": self.rows,
            "label_rate": finite_or_none(self.label_rate),
            "mean_score": finite_or_none(self.mean_score),
            "figures": {name: figure.to_json() for name, figure in self.figures.items()},
        }


@dataclass(frozen=True)
class Gap:
    """Difference of a metric between two groups, highest minus lowest on the sample, with the pair's interval."""

    highest: str
    lowest: str
    figure: Figure

    def to_json(self) -> dict[str, Any]:
        """Encode as JSON data."""
        return {"highest": self.highest, "lowest": self.lowest, "figure": self.figure.to_json()}


@dataclass(frozen=True)
class Slicing:
    """The groups of one column.

    Attributes:
        slices: groups with enough rows and both classes, most rows first.
        gaps: metric -> widest gap between two of them; absent where fewer than two groups were judged.
        left_out: groups too small, or of one class.
    """

    slices: tuple[Slice, ...]
    gaps: Mapping[str, Gap]
    left_out: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Encode as JSON data."""
        return {
            "slices": [one.to_json() for one in self.slices],
            "gaps": {name: gap.to_json() for name, gap in self.gaps.items()},
            "left_out": list(self.left_out),
        }


@dataclass(frozen=True)
class _OfGroup:
    slice: Slice
    replicates: Mapping[str, npt.NDArray[np.float64]]


def slice_by(sample: Judged, groups: npt.NDArray[Any], resamples: Resamples, settings: EvaluationSettings) -> Slicing:
    """Judge each group of a column.

    Args:
        sample: what was predicted, and what was right.
        groups: [n], the group of each row; None is a group of its own, named `(missing)`.
        resamples: the draws for the intervals.
        settings: smallest slice and confidence.
    """
    kept, left_out = group_rows(sample, groups, settings.min_slice_rows)
    judged = [_judge(name, sample, rows, resamples.subset(rows), settings) for name, rows in kept]
    judged.sort(key=lambda one: (-one.slice.rows, one.slice.group))
    compared = judged[0].slice.figures if len(judged) > 1 else {}
    gaps = {name: _gap(judged, name, settings.confidence, resamples.n_blocks) for name in compared}
    return Slicing(tuple(one.slice for one in judged), gaps, tuple(left_out))


def group_rows(
    sample: Judged, groups: npt.NDArray[Any], min_rows: int
) -> tuple[list[tuple[str, npt.NDArray[np.intp]]], list[str]]:
    """Rows of each group that can be judged, in order of its name, and the names of those that cannot.

    A group with too few rows, or of one class in a binary model, is left out. None is a group of its own, `(missing)`.
    """
    texts = np.array(["(missing)" if group is None else str(group) for group in groups.tolist()])
    names, codes = np.unique(texts, return_inverse=True)
    kept, left_out = [], []
    for code, name in enumerate(names.tolist()):
        rows = np.flatnonzero(codes == code)
        labels = sample.labels[rows]
        one_kind = sample.question.task is Task.BINARY and (labels.all() or not labels.any())
        if rows.size < min_rows or one_kind:
            left_out.append(name)
        else:
            kept.append((name, rows))
    return kept, left_out


def _judge(
    name: str, sample: Judged, rows: npt.NDArray[np.intp], resamples: Resamples, settings: EvaluationSettings
) -> _OfGroup:
    queries = sample.queries[rows] if sample.queries is not None else None
    labels, scores = sample.labels[rows], sample.scores[rows]
    measured = measure(sample.question, labels, scores, resamples, queries, thrifty=True)
    figures = {
        metric: Figure.of_replicates(value, measured.replicates[metric], settings.confidence, blocks=resamples.n_blocks)
        for metric, value in measured.values.items()
    }
    several = sample.question.task is Task.MULTICLASS
    rate, mean = (float("nan"), float("nan")) if several else (float(labels.mean()), float(scores.mean()))
    return _OfGroup(Slice(name, labels.size, rate, mean, figures), measured.replicates)


def _gap(judged: list[_OfGroup], metric: str, confidence: float, blocks: int) -> Gap:
    ranked = sorted(judged, key=lambda one: one.slice.figures[metric].value)
    lowest, highest = ranked[0], ranked[-1]
    value = highest.slice.figures[metric].value - lowest.slice.figures[metric].value
    replicates = highest.replicates[metric] - lowest.replicates[metric]
    return Gap(
        highest.slice.group, lowest.slice.group, Figure.of_replicates(value, replicates, confidence, blocks=blocks)
    )
