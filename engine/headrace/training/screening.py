"""A look at the features before they are trained on: those that say nothing, and those that say everything."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from headrace.core.errors import FailedCheckError
from headrace.evaluation.task import Task
from headrace.training.dataset import TrainingData

SAMPLED_ROWS = 20_000
BINS = 256
GIVEN_AWAY = 0.9995  # of the rows told right by one feature, or rank correlation with the target
_MISSES_LEFT = 0.02  # of those that the most frequent class alone gets wrong


@dataclass(frozen=True)
class Screening:
    """What stands out among the features of the training rows.

    Attributes:
        empty: no row has a value.
        constant: every row has the same value.
        leaking: feature -> share of the rows that it alone tells right (of numbers: its rank correlation).
    """

    empty: tuple[str, ...]
    constant: tuple[str, ...]
    leaking: dict[str, float]

    def require(self, *, trusted: Collection[str] = ()) -> None:
        """Stop where a feature gives the target away.

        Args:
            trusted: features that are known before the outcome, however well they tell it.

        Raises:
            FailedCheckError: names the features.
        """
        found = {name: share for name, share in self.leaking.items() if name not in trusted}
        if found:
            named = ", ".join(f"'{name}' ({share:.2%})" for name, share in found.items())
            raise FailedCheckError(
                f"the target leaks into {len(found)} of the features: {named} tells it alone",
                hint="leave it out; or, if it is truly known before the outcome, name it in Model(trusted=[...])",
            )

    def to_json(self) -> dict[str, Any]:
        """Encode as JSON data."""
        return {"empty": list(self.empty), "constant": list(self.constant), "leaking": self.leaking}


def screen_features(data: TrainingData, task: Task) -> Screening:
    """Look at the training rows: all of them for values, at most 20,000 evenly spread ones for the target.

    Empty and constant features are harmless: no tree splits on them. O(n F) and O(F m log m) for m sampled rows.
    """
    rows = np.flatnonzero(data.split.train)
    values = data.part(rows)
    empty, constant = [], []
    lowest, highest = np.fmin.reduce(values, axis=0), np.fmax.reduce(values, axis=0)
    missing = np.asarray(np.isnan(values).any(axis=0))
    for place, name in enumerate(data.names):
        if np.isnan(lowest[place]):
            empty.append(name)
        elif lowest[place] == highest[place] and not missing[place]:
            constant.append(name)
    sampled = rows[np.unique(np.linspace(0, rows.size - 1, SAMPLED_ROWS).astype(np.int64))] if rows.size else rows
    of_sample, labels = np.ascontiguousarray(data.values[sampled].T), data.labels[sampled]
    measure = _told if task in {Task.BINARY, Task.MULTICLASS} else _followed
    idle = {*empty, *constant}
    shares = {name: measure(of_sample[place], labels) for place, name in enumerate(data.names) if name not in idle}
    leaking = {name: round(share, 6) for name, share in shares.items() if share >= GIVEN_AWAY}
    return Screening(tuple(empty), tuple(constant), leaking)


def _told(values: npt.NDArray[np.float32], labels: npt.NDArray[Any]) -> float:
    """Share of rows that a feature tells right, by one threshold or by bins; 0 where the commonest class nearly does.

    By bins: each of at most 256, and missing, says its commonest class.
    """
    classes, codes = np.unique(labels, return_inverse=True)
    known = ~np.isnan(values)
    distinct = np.unique(values[known])
    edges = distinct[1:] if distinct.size <= BINS else np.unique(np.quantile(values[known], np.linspace(0, 1, BINS)))
    bins = np.where(known, np.searchsorted(edges, values, side="right"), edges.size + 1)
    counts = np.bincount(bins * classes.size + codes, minlength=(edges.size + 2) * classes.size)
    by_bins = int(counts.reshape(-1, classes.size).max(axis=1).sum())
    right = max(by_bins, _split_in_two(values[known], codes[known], classes.size) + int(counts[-classes.size :].max()))
    missed, by_chance = labels.size - right, labels.size - int(np.bincount(codes).max())
    return right / labels.size if missed <= _MISSES_LEFT * by_chance else 0.0


def _split_in_two(values: npt.NDArray[np.float32], codes: npt.NDArray[np.intp], classes: int) -> int:
    """Rows that the best single threshold tells right, each side saying its commonest class."""
    order = np.argsort(values, kind="stable")
    below = np.cumsum(codes[order, None] == np.arange(classes), axis=0)
    ends = np.append(np.flatnonzero(np.diff(values[order])), values.size - 1)
    return int((below[ends].max(axis=1) + (below[-1] - below[ends]).max(axis=1)).max()) if values.size else 0


def _followed(values: npt.NDArray[np.float32], labels: npt.NDArray[Any]) -> float:
    """Absolute rank correlation of a feature with the target where it has a value; 0 where few rows have one.

    Reference: Spearman, American Journal of Psychology 15 (1904); ties have their mean rank.
    """
    from scipy.stats import rankdata

    known = ~np.isnan(values)
    if known.sum() < max(50, 0.5 * labels.size):
        return 0.0
    first, second = rankdata(values[known]), rankdata(labels[known])
    if first.std() == 0 or second.std() == 0:
        return 0.0
    return float(abs(np.corrcoef(first, second)[0, 1]))
