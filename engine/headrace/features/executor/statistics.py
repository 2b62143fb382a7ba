"""Statistics of a window by family: what each needs of a bucket, and the kernel that writes it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, TypeAlias, TypeVar

import numpy as np

from headrace.core.errors import InvalidInputError
from headrace.features.definition.expressions import Expression
from headrace.features.executor.columns import TableColumns
from headrace.features.plan import WindowStep
from headrace.features.planning.step_format import expression_key
from headrace_kernels.arrays import ExactRangeError, Statistic, StatisticRequest, ValueColumn, WindowFrames
from headrace_kernels.cpu import extremes, moments, rows
from headrace_kernels.cpu.summed_columns import SummedColumn
from headrace_kernels.dtypes import Codes, Flags, Floats, Positions

_Value = TypeVar("_Value")
Family: TypeAlias = Literal["moments", "extremes", "ends", "categories", "quantiles", "decay", "pairs"]

_MEMBERS: dict[Family, tuple[Statistic, ...]] = {
    "moments": (
        Statistic.COUNT, Statistic.COUNT_NON_NULL, Statistic.SUM, Statistic.MEAN, Statistic.VAR, Statistic.STD,
        Statistic.SHARE,
    ),
    "extremes": (Statistic.MIN, Statistic.MAX, Statistic.RANGE),
    "ends": (
        Statistic.FIRST, Statistic.LAST, Statistic.LAG, Statistic.DIFF, Statistic.RATIO, Statistic.SINCE_LAST,
    ),
    "categories": (
        Statistic.DISTINCT, Statistic.DISTINCT_SKETCH, Statistic.MODE, Statistic.TOP_SHARE, Statistic.ENTROPY,
    ),
    "quantiles": (Statistic.QUANTILE,),
    "decay": (Statistic.DECAYED_COUNT, Statistic.DECAYED_SUM, Statistic.DECAYED_MEAN),
    "pairs": (Statistic.COV, Statistic.CORR, Statistic.SLOPE, Statistic.TREND),
}  # fmt: skip
_FAMILY = {statistic: family for family, members in _MEMBERS.items() for statistic in members}
_COUNTS = frozenset({
    Statistic.COUNT, Statistic.COUNT_NON_NULL, Statistic.DISTINCT, Statistic.DISTINCT_SKETCH, Statistic.DECAYED_COUNT,
})  # fmt: skip
_FOLLOWS_MOVES = frozenset({"categories", "quantiles", "pairs"})


@dataclass(frozen=True)
class Source:
    """A value that statistics read: what, and how.

    Attributes:
        of: the value, over the event row.
        skip_nan: whether NaN counts as null.
        bits: binary digits kept after the point in sums.
    """

    of: Expression
    skip_nan: bool
    bits: int

    @cached_property
    def key(self) -> tuple[str, bool, int]:
        """Equal for equal sources; expressions themselves build expressions when compared."""
        return expression_key(self.of), self.skip_nan, self.bits


def sources_of(step: WindowStep) -> tuple[Source, ...]:
    """What a step reads."""
    pairs_of = zip(step.columns, step.resolution_bits, strict=True)
    return tuple(Source(column, step.skip_nan, bits) for column, bits in pairs_of)


def family_of(step: WindowStep) -> Family:
    """The family whose kernel computes a step."""
    return _FAMILY[Statistic[step.statistic.upper()]]


def follows_moves(family: Family, *, ordered: bool) -> bool:
    """Whether a family's kernel reads what enters and leaves, rather than ranges."""
    return family in _FOLLOWS_MOVES or (not ordered and family == "moments")


def request_of(step: WindowStep) -> StatisticRequest:
    """The kernel's form of a step: counts are 0 where nothing is, all else is missing, unless the step says."""
    statistic = Statistic[step.statistic.upper()]
    empty = step.empty if step.empty is not None else 0.0 if statistic in _COUNTS else np.nan
    return StatisticRequest(statistic, step.parameter or 0.0, empty)


def out_of_range(view: str, sources: Sequence[Source], error: ExactRangeError) -> InvalidInputError:
    """What to tell of values that exact sums cannot hold."""
    name = sources[min(error.column, len(sources) - 1)].of
    return InvalidInputError(
        f"column '{name}' of '{view}': {error}",
        hint=f"declare a coarser step: EventTable('{view}', ..., resolution=2**-7), for example",
    )


class BucketColumns:
    """The values that a bucket's statistics read, by place, each gathered when it is first asked for.

    `touch` does that ahead of use by several threads.
    """

    def __init__(self, view: str, table: TableColumns, places: Positions) -> None:
        """Take the view's name, its table's columns and the bucket's rows: int64[n_events]."""
        self._view = view
        self._table = table
        self._rows = places
        self._held: dict[Any, Any] = {}

    def value(self, source: Source) -> ValueColumn:
        """Values by place."""
        return self._once(("value", *source.key), lambda: self._value(source))

    def summed(self, source: Source) -> SummedColumn:
        """Values by place with what sums need."""
        return self._once(("summed", *source.key), lambda: SummedColumn(self.value(source)))

    def codes(self, source: Source) -> Codes:
        """Category codes by place."""
        return self._once(("codes", *source.key), lambda: self._codes(source))

    def write(
        self, family: Family, frames: WindowFrames, sources: Sequence[Source], requests: Sequence[StatisticRequest],
        out: Floats,
    ) -> None:  # fmt: skip
        """Write one family's statistics of the same values: float64[n_requests, n_queries].

        Raises:
            InvalidInputError: a value or a sum leaves the exact range.
        """
        try:
            self._write(family, frames, sources, requests, out)
        except ExactRangeError as error:
            raise out_of_range(self._view, sources, error) from error

    def _write(
        self, family: Family, frames: WindowFrames, sources: Sequence[Source], requests: Sequence[StatisticRequest],
        out: Floats,
    ) -> None:  # fmt: skip
        match family:  # families that few plans have are loaded when one asks for them
            case "moments":
                moments.aggregate_moments(frames, self.summed(sources[0]) if sources else None, requests, out)
            case "extremes":
                extremes.aggregate_extremes(frames, self.summed(sources[0]), requests, out)
            case "ends":
                from headrace_kernels.cpu import ends

                ends.aggregate_ends(frames, self.value(sources[0]) if sources else None, requests, out)
            case "categories":
                from headrace_kernels.cpu import categories

                known = self._table.categories(sources[0].of)
                categories.aggregate_categories(
                    frames, self.codes(sources[0]), known.values, known.hashes, requests, out
                )
            case "quantiles":
                from headrace_kernels.cpu import quantiles

                quantiles.aggregate_quantiles(frames, self.value(sources[0]), requests, out)
            case "decay":
                from headrace_kernels.cpu import decay

                decay.aggregate_decayed(frames, self.value(sources[0]) if sources else None, requests, out)
            case "pairs":
                from headrace_kernels.cpu import pairs

                right = self.value(sources[1]) if len(sources) > 1 else None
                pairs.aggregate_pairs(frames, self.value(sources[0]), right, requests, out)

    def _once(self, key: Any, make: Callable[[], _Value]) -> _Value:
        if key not in self._held:
            self._held[key] = make()
        value: _Value = self._held[key]
        return value

    def _codes(self, source: Source) -> Codes:
        codes: Codes = _take(self._table.categories(source.of).codes, self._rows)
        return codes

    def _value(self, source: Source) -> ValueColumn:
        numbers, valid = self._table.numbers(source.of)
        values = _take(numbers, self._rows)
        kept: Flags | None = _take(valid, self._rows) if valid is not None else None
        if source.skip_nan and values.dtype.kind == "f":
            known = ~np.isnan(values)
            kept = known if kept is None else kept & known
        return ValueColumn(values, kept, source.bits)


def _take(values: Any, places: Positions) -> Any:
    taken = np.empty(len(places), dtype=values.dtype)
    rows.take_rows(values, places, taken)
    return taken
