"""One column while it is read: the statistics of its kind, and what becomes of them in a profile."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from headrace.data.profiling.arrays import floats, integers, kind_of
from headrace.data.profiling.distribution import Distribution, Histogram, quantiles_of
from headrace.data.profiling.gaps import Coverage
from headrace.data.profiling.numbers import Numbers
from headrace.data.profiling.ordering import Ordering
from headrace.data.profiling.result import ColumnProfile, TimeGap, TopValue
from headrace.data.profiling.text import Text
from headrace.data.types import dtype_name

if TYPE_CHECKING:
    import pyarrow as pa

TOP_VALUES = 10
DOMAIN_VALUES = 50
LONGEST_GAPS = 10
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class ColumnState:
    """A column's statistics, for any number of rows; see `ColumnProfile` for what they are."""

    def __init__(self, field: pa.Field) -> None:
        self.name = str(field.name)
        self.arrow = field.type
        self.kind = kind_of(field.type)
        self.rows = 0
        self.nulls = 0
        self.numbers = Numbers(np.float64 if self.kind == "float" else np.int64)
        self.text = Text()
        self.ordering = Ordering()
        self.coverage = Coverage()

    def add(self, values: pa.Array) -> None:
        """Add a block of rows.

        Raises:
            InvalidInputError: a time does not fit into microseconds.
        """
        import pyarrow.compute as pc

        self.rows += len(values)
        nulls = int(pc.sum(pc.is_null(values)).as_py() or 0)  # null_count overlooks nulls inside of a dictionary
        self.nulls += nulls
        if self.kind == "string":
            self.text.add(_present(values) if nulls else values)
        elif self.kind == "float":
            self.numbers.add(floats(values))
        elif self.kind == "bool":
            self.numbers.add(integers(values))
        elif self.kind in ("int", "time"):
            ordered = integers(values)
            self.ordering += Ordering.of(ordered)
            distinct = self.numbers.add(ordered)
            if self.kind == "time":
                self.coverage.add(distinct)

    def merge(self, other: ColumnState) -> None:
        """Add the other's rows, as those that follow."""
        self.rows += other.rows
        self.nulls += other.nulls
        self.numbers.merge(other.numbers)
        self.text.merge(other.text)
        self.ordering += other.ordering
        self.coverage.merge(other.coverage)

    def result(self, bins: int) -> ColumnProfile:
        """The column's profile, with `bins` bins a histogram."""
        facts: dict[str, Any] = {
            "name": self.name,
            "dtype": dtype_name(self.arrow),
            "arrow": str(self.arrow),
            "kind": self.kind,
            "nulls": self.nulls,
        }
        if self.kind == "string":
            return ColumnProfile(**facts, **self._text())
        if self.kind == "other":
            return ColumnProfile(**facts)
        return ColumnProfile(**facts, **self._numbers(bins))

    def _text(self) -> dict[str, Any]:
        distinct, exact = self.text.distinct
        frequencies = self.text.frequencies
        tops = [
            TopValue(self.text.names[int(frequencies.keys[place])], int(frequencies.counts[place]))
            for place in frequencies.top(len(frequencies.keys))
        ]
        tops.sort(key=lambda top: (-top.count, top.value))
        facts: dict[str, Any] = {
            "distinct": distinct,
            "distinct_exact": exact,
            "unique": _unique(distinct, self.text.count, exact=exact, repeated=self.text.repeated),
            "top": tuple(tops[: _shown(distinct, exact=frequencies.exact)]),
            "top_error": frequencies.error,
        }
        if self.text.count:
            values, ranks = self.text.lengths.ranked()
            cut = quantiles_of(values, ranks)
            facts["lengths"] = {
                "min": self.text.lengths.low,
                "mean": self.text.lengths.moments.average,
                "max": self.text.lengths.high,
                **{name: cut[name] for name in ("p50", "p95", "p99")},
                "empty": self.text.lengths.zeros,
            }
        return facts

    def _numbers(self, bins: int) -> dict[str, Any]:
        numbers = self.numbers
        distinct, exact = numbers.distinct
        unique = _unique(distinct, numbers.count, exact=exact, repeated=numbers.repeated)
        if unique is None and self.kind != "float" and self.ordering.strict:
            unique = True
        facts: dict[str, Any] = {
            "nan": numbers.nan,
            "infinite": numbers.below + numbers.above,
            "distinct": distinct,
            "distinct_exact": exact or bool(unique),
            "unique": unique,
        }
        if unique and not exact:
            facts["distinct"] = numbers.count
        if not numbers.count:
            return facts
        facts |= {"top": self._top(), "top_error": numbers.frequencies.error}
        if self.kind == "bool":
            return facts
        show = _iso if self.kind == "time" else _same
        values, ranks = numbers.ranked()
        counted = numbers.sketches is None
        cut = quantiles_of(values, ranks)
        low, high = (values[0], values[-1]) if self.kind == "time" else (cut["p01"], cut["p99"])
        moments = numbers.moments
        facts |= {
            "min": show(numbers.low),
            "max": show(numbers.high),
            "mean": show(moments.average),
            "quantiles": {name: show(value) for name, value in cut.items()},
            "distribution": Distribution.of(*_closed(values, ranks, numbers.low, numbers.high), exact=counted),
            "distribution_exact": counted,
            "histogram": Histogram.of(values, ranks, float(low), float(high), bins),
        }
        if self.kind == "time":
            return facts | self._time()
        facts |= {"std": moments.std, "skewness": moments.skewness, "kurtosis": moments.kurtosis}
        facts |= {"zeros": numbers.zeros, "negatives": numbers.negatives}
        if self.kind == "int":
            facts["order"] = self.ordering.direction
        return facts

    def _time(self) -> dict[str, Any]:
        gaps = self.coverage.longest(LONGEST_GAPS)
        # Gaps that were given up may be as long as the shortest one that is told.
        told = tuple(TimeGap(_iso(gap.start_us), _iso(gap.end_us), gap.length_us / 1e6) for gap in gaps)
        least = self.coverage.closed_us if len(gaps) < LONGEST_GAPS else gaps[-1].length_us
        return {
            "order": self.ordering.direction,
            "steps_back": self.ordering.down,
            "step_back_s": self.ordering.step_back / 1e6,
            "gaps": told,
            "gaps_above_s": least / 1e6,
        }

    def _top(self) -> tuple[TopValue, ...]:
        frequencies = self.numbers.frequencies
        shows: dict[str, Callable[[Any], Any]] = {"time": _iso, "bool": bool}
        show = shows.get(self.kind, _same)
        return tuple(
            TopValue(show(frequencies.keys[place].item()), int(frequencies.counts[place]))
            for place in frequencies.top(_shown(len(frequencies.keys), exact=frequencies.exact))
        )


def _present(strings: pa.Array) -> pa.Array:
    """Strings without nulls: neither among the rows nor inside of a dictionary."""
    import pyarrow as pa

    if pa.types.is_dictionary(strings.type) and strings.dictionary.null_count:
        strings = strings.dictionary_decode()
    return strings.drop_null()


def _unique(distinct: int, count: int, *, exact: bool, repeated: bool) -> bool | None:
    if repeated or not count:
        return False if repeated else None
    return distinct == count if exact else None


def _shown(distinct: int, *, exact: bool) -> int:
    """How many frequent values are told: all of them, where they are few enough to be a domain."""
    return distinct if exact and distinct <= DOMAIN_VALUES else TOP_VALUES


def _closed(values: Any, ranks: Any, low: Any, high: Any) -> tuple[Any, Any]:
    """Ranked values with the exact ends: a sketch may have let go of them."""
    values = values.copy()
    values[0], values[-1] = low, high
    return values, ranks


def _same(value: Any) -> Any:
    return value


def _iso(micros: float | None) -> str:
    """A time as ISO 8601 in UTC; beyond the years that Python counts, microseconds since the epoch as they are."""
    if micros is None:
        return ""
    try:
        return (_EPOCH + timedelta(microseconds=int(micros))).isoformat()
    except OverflowError:
        return f"{int(micros)} us"
