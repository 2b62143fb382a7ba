"""Walk-forward folds: several pasts, each judged by what came next, all before the test months."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from headrace.core.errors import DefinitionError, FailedCheckError
from headrace.features.definition.durations import parse_duration_us
from headrace.training.split import SplitMasks, Times


@dataclass(frozen=True)
class WalkForward:
    """Folds in time order: the validation windows lie one behind the other and end where the test months begin.

    Attributes:
        folds: how many.
        valid: length of each validation window, such as `30d`.
        train: length of the training window before it; empty takes everything before (an expanding window).
        purge: rows this close before a validation window are left out of its training, because their labels became
            known later; empty takes the purge of the model's split. As wide as the longest label delay.
    """

    folds: int = 5
    valid: str = "30d"
    train: str = ""
    purge: str = ""

    def __post_init__(self) -> None:
        if self.folds < 1:
            raise DefinitionError(f"walk-forward validation needs at least 1 fold, not {self.folds}")
        for text in (self.valid, self.train, self.purge):
            if text:
                parse_duration_us(text)
        if parse_duration_us(self.valid) == 0 or (self.train and parse_duration_us(self.train) == 0):
            raise DefinitionError("windows of walk-forward validation must be longer than 0")

    def bounds(self, end_us: int) -> tuple[tuple[int, int], ...]:
        """Begin and end of each validation window, oldest first, microseconds since 1970-01-01 UTC."""
        length = parse_duration_us(self.valid)
        begins = [end_us - length * (self.folds - fold) for fold in range(self.folds)]
        return tuple((begin, begin + length) for begin in begins)

    def masks(self, times: Times, *, end_us: int, purge: str = "0h") -> tuple[SplitMasks, ...]:
        """Assign rows to folds; no fold has test rows.

        Args:
            times: int64[n], microseconds since 1970-01-01 UTC, any order.
            end_us: where the last window ends: the begin of the test months.
            purge: of the model's split, where no own is declared.

        Raises:
            FailedCheckError: a fold has no rows to train on or to judge by.
        """
        gap = parse_duration_us(self.purge or purge)
        reach = parse_duration_us(self.train) if self.train else None
        nothing = np.zeros(times.shape, np.bool_)
        folds = []
        for number, (begin, end) in enumerate(self.bounds(end_us), start=1):
            train = times < begin - gap
            if reach is not None:
                train &= times >= begin - gap - reach
            fold = SplitMasks(train, (times >= begin) & (times < end - gap), nothing)
            for part in ("train", "valid"):
                if not getattr(fold, part).any():
                    raise FailedCheckError(
                        f"fold {number} of {self.folds} has no rows in its {part} part",
                        hint="declare fewer folds, or shorter windows",
                    )
            folds.append(fold)
        return tuple(folds)

    def to_json(self) -> dict[str, Any]:
        """Encode as JSON data."""
        return asdict(self)
