"""Training data: a feature matrix, its labels and its split, checked once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from headrace.core.errors import InvalidInputError, NotFoundError, did_you_mean
from headrace.training.split import Mask, SplitMasks


@dataclass(frozen=True)
class TrainingData:
    """A labelled feature matrix.

    Attributes:
        values: float32[n, F], C-contiguous; NaN = missing.
        names: F feature names, distinct.
        labels: bool[n] of a binary model, int64[n] numbers of classes or grades of relevance, float64[n] numbers; the
            value of a row outside every part is never read.
        split: which rows are which; rows without a label belong to no part.
        weights: float64[n], how much each row counts; None: all alike.
        groups: int64[n], the query of each row of a ranking; None where there are none.
    """

    values: npt.NDArray[np.float32]
    names: tuple[str, ...]
    labels: npt.NDArray[Any]
    split: SplitMasks
    weights: npt.NDArray[np.float64] | None = None
    groups: npt.NDArray[np.int64] | None = None

    def __post_init__(self) -> None:
        if self.values.ndim != 2 or self.values.shape[1] != len(self.names):
            raise InvalidInputError(f"the matrix has shape {self.values.shape}, there are {len(self.names)} names")
        if len(set(self.names)) != len(self.names):
            repeated = sorted({name for name in self.names if self.names.count(name) > 1})
            raise InvalidInputError(f"feature name '{repeated[0]}' appears more than once")
        rows = self.values.shape[0]
        masks = {"train": self.split.train, "valid": self.split.valid, "test": self.split.test}
        for name, mask in masks.items():
            _check(name, mask, rows, "bool")
        _check("labels", self.labels, rows, "bool", "int64", "float64")
        if self.weights is not None:
            _check("weights", self.weights, rows, "float64")
        if self.groups is not None:
            _check("groups", self.groups, rows, "int64")

    def select(self, names: Iterable[str]) -> TrainingData:
        """The same rows with some of the features, in the order given: what an ablation trains on.

        Raises:
            NotFoundError: no such feature.
        """
        kept = tuple(names)
        places = {name: place for place, name in enumerate(self.names)}
        for name in kept:
            if name not in places:
                raise NotFoundError(f"no feature '{name}' in the matrix", hint=did_you_mean(name, self.names))
        values = np.ascontiguousarray(self.values[:, [places[name] for name in kept]])
        return replace(self, values=values, names=kept)

    def with_split(self, split: SplitMasks) -> TrainingData:
        """The same rows, divided in another way."""
        return replace(self, split=split)

    def rows(self, mask: Mask) -> npt.NDArray[np.intp]:
        """Numbers of a part's rows; those of one query of a ranking are brought together, in order of appearance."""
        rows = np.flatnonzero(mask)
        if self.groups is None:
            return rows
        _, first, codes = np.unique(self.groups[rows], return_index=True, return_inverse=True)
        return rows[np.argsort(first[codes], kind="stable")]

    def part(self, rows: npt.NDArray[np.intp]) -> npt.NDArray[np.float32]:
        """The features of some rows: a view where they are neighbours, which time-ordered data gives, else a copy."""
        if rows.size and rows[-1] - rows[0] + 1 == rows.size and (np.diff(rows) == 1).all():
            return self.values[rows[0] : rows[-1] + 1]
        return self.values[rows]


def _check(name: str, array: npt.NDArray[Any], rows: int, *dtypes: str) -> None:
    if array.dtype.name not in dtypes or array.shape != (rows,):
        raise InvalidInputError(f"{name} must be {' or '.join(dtypes)}[{rows}], not {array.dtype}{list(array.shape)}")
