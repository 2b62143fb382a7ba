"""Columns that stand still, lie in another's place, or hold values from another world."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import combinations

import numpy as np

from headrace.validation.anomalies.distributions import scale, wasserstein
from headrace.validation.anomalies.measuring import Measured
from headrace.validation.anomalies.reference import ColumnReference, TableReference
from headrace.validation.findings import Finding

_CHANCE = 1e-9
_KNOWN = 0.5


def shape(old: TableReference, new: Measured) -> Iterator[Finding]:
    """Columns that came, went, or changed type."""
    for column in old.columns:
        if column.name not in new.dtypes:
            yield Finding("missing_column", column.name, f"{column.name}: the table no longer has this column")
        elif new.dtypes[column.name] != column.dtype:
            message = f"{column.name}: is {new.dtypes[column.name]}, {column.dtype} in the reference"
            yield Finding("changed_type", column.name, message)
    for name in new.dtypes:
        if old.column(name) is None:
            yield Finding("new_column", name, f"{name}: the reference does not have this column")


def constant(old: ColumnReference, new: Measured) -> Finding | None:
    """A column that held several values and holds one now, where chance does not explain it."""
    values = new.frame.get_column(old.name)
    values = values.drop_nulls() if values.null_count() else values
    if old.distinct < 2 or len(values) < 20 or values[0] != values[-1] or not (values == values[0]).all():
        return None
    most = old.top[0][1] / old.sampled if old.top else max(old.counts, default=1) / max(1, old.sampled)
    if old.dtype == "timestamp":
        most = 1 / old.distinct
    if len(values) * math.log(min(max(most, 1e-12), 1 - 1e-12)) > math.log(_CHANCE):
        return None
    message = (
        f"{old.name}: all {len(values):,} values are {values[0]!r}; {old.distinct:,} different ones in the reference"
    )
    return Finding("constant", old.name, message)


def outliers(old: ColumnReference, new: Measured) -> Finding | None:
    """Values ten times the reference's range away from it: a date of 9999, a placeholder of -1e9."""
    if old.low is None or old.high is None or old.distinct < 3:
        return None
    import polars as pl

    column = new.frame.get_column(old.name)
    least, most = column.to_physical().min(), column.to_physical().max()
    reach = 10 * (old.high - old.low)
    if old.dtype == "timestamp":
        reach = max(reach, 10 * 365.25 * 86_400e6)  # time goes on: ten years, at least
    if least is None or not (float(least) < old.low - reach or float(most) > old.high + reach):  # type: ignore[arg-type]
        return None
    physical = column.to_physical().cast(pl.Float64)
    far = (physical < old.low - reach) | (physical > old.high + reach)
    far_rows = far.fill_null(value=False).arg_true()
    if not len(far_rows):
        return None
    first = int(far_rows[0])
    low, high = _shown(old, old.low), _shown(old, old.high)
    rows = "1 value lies" if len(far_rows) == 1 else f"{len(far_rows):,} values lie"
    message = f"{old.name}: {rows} far outside [{low}, {high}] of the reference, first {column[first]} in row {first:,}"
    return Finding("outliers", old.name, message, 1.0, None, {"rows": len(far_rows), "first": first})


def swapped(old: TableReference, new: Measured) -> Iterator[Finding]:
    """Pairs of columns that hold each other's values."""
    yield from _swapped_numbers(old, new)
    yield from _swapped_strings(old, new)


def _swapped_numbers(old: TableReference, new: Measured) -> Iterator[Finding]:
    columns = [
        c for c in old.columns if c.numeric and c.quantiles and c.distinct > 2 and new.dtypes.get(c.name) == c.dtype
    ]
    now = {c.name: new.percentiles(c.name) for c in columns if len(new.values(c.name)) >= 20}
    moved = [c for c in columns if c.name in now and wasserstein(now[c.name], np.array(c.quantiles)) / scale(c) > 0.2]
    for a, b in combinations(moved, 2):
        before_a, before_b = np.array(a.quantiles), np.array(b.quantiles)
        own = wasserstein(now[a.name], before_a) / scale(a), wasserstein(now[b.name], before_b) / scale(b)
        crossed = wasserstein(now[a.name], before_b) / scale(b), wasserstein(now[b.name], before_a) / scale(a)
        if max(crossed) < 0.1 and max(crossed) < 0.25 * min(own):
            yield _swap(a.name, b.name)


def _swapped_strings(old: TableReference, new: Measured) -> Iterator[Finding]:
    columns = [c for c in old.columns if c.dtype == "string" and c.top and new.dtypes.get(c.name) == c.dtype]
    now = {c.name: new.by_value(c.name) for c in columns}
    strange = [c for c in columns if now[c.name] and _overlap(now[c.name], c) < _KNOWN]
    for a, b in combinations(strange, 2):
        if min(_overlap(now[a.name], b), _overlap(now[b.name], a)) > _KNOWN:
            yield _swap(a.name, b.name)


def _overlap(found: dict[str, int], old: ColumnReference) -> float:
    """Share of the rows whose value the reference knows."""
    known = {value for value, _ in old.top}
    return sum(count for value, count in found.items() if value in known) / sum(found.values())


def _swap(a: str, b: str) -> Finding:
    return Finding("swapped", f"{a}, {b}", f"{a}, {b}: the columns hold each other's values; were they swapped?")


def _shown(old: ColumnReference, value: float) -> str:
    if old.dtype != "timestamp":
        return f"{value:g}"
    return datetime.fromtimestamp(value / 1e6, UTC).strftime("%Y-%m-%d %H:%M")
