"""Training data: a feature matrix, its labels and its split, checked once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from headrace.core.errors import FailedCheckError, InvalidInputError, NotFoundError, did_you_mean
from headrace.training.split import Mask, SplitMasks


@dataclass(frozen=True)
class TrainingData:
    """A labelled feature matrix.

    Attributes:
        values: float32[n, F], C-contiguous; NaN = missing.
        names: F feature names, distinct.
        labels: bool[n]; the value of a row outside every part is never read.
        split: which rows are which; rows without a label belong to no part.
    """

    values: npt.NDArray[np.float32]
    names: tuple[str, ...]
    labels: Mask
    split: SplitMasks

    def __post_init__(self) -> None:
        if self.values.ndim != 2 or self.values.shape[1] != len(self.names):
            raise InvalidInputError(f"the matrix has shape {self.values.shape}, there are {len(self.names)} names")
        if len(set(self.names)) != len(self.names):
            repeated = sorted({name for name in self.names if self.names.count(name) > 1})
            raise InvalidInputError(f"feature name '{repeated[0]}' appears more than once")
        masks = {"train": self.split.train, "valid": self.split.valid, "test": self.split.test}
        for name, array in {"labels": self.labels, **masks}.items():
            if array.dtype != np.bool_ or array.shape != self.values.shape[:1]:
                raise InvalidInputError(
                    f"{name} must be bool[{self.values.shape[0]}], not {array.dtype}{list(array.shape)}"
                )
        for part in ("train", "valid"):
            found = np.unique(self.labels[masks[part]])
            if found.size < 2:
                raise FailedCheckError(f"the {part} part has {int(masks[part].sum())} rows and fewer than two labels")

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
        return TrainingData(values, kept, self.labels, self.split)

    def part(self, mask: Mask) -> npt.NDArray[np.float32]:
        """Rows of a part: a view where they are contiguous, which time-ordered data gives, else a copy."""
        rows = np.flatnonzero(mask)
        if rows.size and rows[-1] - rows[0] + 1 == rows.size:
            return self.values[rows[0] : rows[-1] + 1]
        return self.values[rows]
