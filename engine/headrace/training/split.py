"""Time-ordered splits: what comes later judges what came before."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from headrace.core.errors import DefinitionError, FailedCheckError
from headrace.features.definition.durations import parse_duration_us

Times = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class SplitMasks:
    """Which rows belong to which part; no row belongs to two, and rows inside a purge gap to none.

    Attributes:
        train: bool[n].
        valid: bool[n].
        test: bool[n].
    """

    train: Mask
    valid: Mask
    test: Mask

    def within(self, rows: Mask) -> SplitMasks:
        """The same parts, of some rows only (those with a label)."""
        return SplitMasks(self.train & rows, self.valid & rows, self.test & rows)


@dataclass(frozen=True)
class TimeSplit:
    """Ends of the training, validation and test months; dates are midnights in `tz`.

    A row is of the training part when its time is before `train`, of validation when before `valid`, else of test
    (before `test`, where that is given).

    Attributes:
        train: end of training, exclusive: an ISO date or date and time.
        valid: end of validation, exclusive.
        test: end of test, exclusive; None takes all that is left.
        purge: a duration such as `24h`; rows this close before the end of training or validation are left out, because
            their labels became known after the next part began. As wide as the longest label delay.
        tz: time zone of the dates.
    """

    train: str
    valid: str
    test: str | None = None
    purge: str = "0h"
    tz: str = "UTC"

    def __post_init__(self) -> None:
        bounds = self._bounds()
        if sorted(set(bounds)) != bounds:
            raise DefinitionError(
                f"the ends of a split must follow one another: train={self.train}, valid={self.valid}, test={self.test}"
            )
        parse_duration_us(self.purge)

    def masks(self, times: Times) -> SplitMasks:
        """Assign rows to parts.

        Args:
            times: int64[n], microseconds since 1970-01-01 UTC, any order.

        Raises:
            FailedCheckError: a part is empty.
        """
        train_end, valid_end, *test_end = self._bounds()
        purge_us = parse_duration_us(self.purge)
        masks = SplitMasks(
            train=times < train_end - purge_us,
            valid=(times >= train_end) & (times < valid_end - purge_us),
            test=(times >= valid_end) & (times < test_end[0] if test_end else np.ones(times.shape, np.bool_)),
        )
        for part in ("train", "valid", "test"):
            if not getattr(masks, part).any():
                raise FailedCheckError(f"the {part} part of {self} has no rows; {_span(times)}")
        return masks

    @property
    def valid_end_us(self) -> int:
        """End of validation and begin of test, microseconds since 1970-01-01 UTC."""
        return self._bounds()[1]

    def to_json(self) -> dict[str, Any]:
        """Encode as JSON data."""
        return {
            "train": self.train,
            "valid": self.valid,
            "test": self.test,
            "purge": self.purge,
            "tz": self.tz,
        }

    def _bounds(self) -> list[int]:
        try:
            zone = ZoneInfo(self.tz)
        except (KeyError, ValueError) as error:
            raise DefinitionError(f"no time zone '{self.tz}'; use a name such as 'America/New_York'") from error
        return [_parse(text, zone) for text in (self.train, self.valid, self.test) if text is not None]


def _parse(text: str, zone: ZoneInfo) -> int:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise DefinitionError(f"'{text}' is no ISO date or time such as 2013-09-01") from error
    aware = moment if moment.tzinfo else moment.replace(tzinfo=zone)
    return (aware - datetime.fromtimestamp(0, ZoneInfo("UTC"))) // timedelta(microseconds=1)


def _span(times: Times) -> str:
    if not times.size:
        return "there are no rows at all"
    first, last = times.min().astype("datetime64[us]"), times.max().astype("datetime64[us]")
    return f"times run from {first}Z to {last}Z"
