"""Naive rules a model must beat: what anybody would guess without it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from headrace.core.errors import InvalidInputError
from headrace.evaluation.metrics import Labels, Scores

# A group's rate is pulled towards the overall rate as if this many rows of it had been seen.
PRIOR_ROWS = 20.0


@dataclass(frozen=True)
class GroupRates:
    """The historical rate of each group, learnt from training rows alone.

    Attributes:
        overall: the rate of all training rows, used for groups never seen.
        rates: group -> smoothed rate.
    """

    overall: float
    rates: Mapping[tuple[Any, ...], float]

    @classmethod
    def fit(cls, labels: Labels, *columns: npt.NDArray[Any]) -> GroupRates:
        """Learn rates by the combination of the columns.

        Args:
            labels: bool[n] of the training rows.
            columns: each [n], such as carrier and hour.

        Raises:
            InvalidInputError: there are no rows.
        """
        if not labels.size:
            raise InvalidInputError("a naive baseline needs training rows; there are none")
        overall = float(labels.mean())
        groups, codes = _group(columns, labels.size)
        rows = np.bincount(codes, minlength=len(groups))
        hits = np.bincount(codes, weights=labels, minlength=len(groups))
        rates = (hits + PRIOR_ROWS * overall) / (rows + PRIOR_ROWS)
        return cls(overall, dict(zip(groups, rates.tolist(), strict=True)))

    def predict(self, *columns: npt.NDArray[Any]) -> Scores:
        """Probability of each row, float64[n]; the overall rate for groups never seen."""
        groups, codes = _group(columns, columns[0].size)
        return np.array([self.rates.get(group, self.overall) for group in groups], dtype=np.float64)[codes]


def _group(columns: tuple[npt.NDArray[Any], ...], rows: int) -> tuple[list[tuple[Any, ...]], npt.NDArray[np.int64]]:
    """Distinct combinations in order of appearance, and the code of each row's combination."""
    if not columns:
        return [()], np.zeros(rows, np.int64)
    known: dict[tuple[Any, ...], int] = {}
    values = zip(*(column.tolist() for column in columns), strict=True)
    codes = np.fromiter((known.setdefault(group, len(known)) for group in values), np.int64, count=rows)
    return list(known), codes
