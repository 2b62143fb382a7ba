"""Checks of a table as a whole, and of its rows against other rows and other tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

from headrace.core.errors import DefinitionError
from headrace.validation.durations import seconds, spoken
from headrace.validation.fields import Severity
from headrace.validation.report import CheckResult
from headrace.validation.row_checks import RowCheck, unique_check
from headrace.validation.rules import ForeignKey, Fresh, NoGaps, Ordered, Rule, TableRule, Unique, Volume

if TYPE_CHECKING:
    import polars as pl
    import pyarrow as pa


@dataclass(frozen=True)
class Surroundings:
    """What a table is checked against beside its schema.

    Attributes:
        tables: other tables by name, for foreign keys.
        environment: `serving` requires labels to be absent.
        now: what freshness is counted from, with a zone; None: the clock.
        source_file: the file that the rows come from, for messages and rejected rows.
        line_column: the column that holds the line of that file; empty: none does.
    """

    tables: Mapping[str, pa.Table] = field(default_factory=dict)
    environment: Literal["training", "serving"] = "training"
    now: datetime | None = None
    source_file: str = ""
    line_column: str = ""


def rule_columns(rule: Rule) -> tuple[str, ...]:
    """Columns that a rule reads."""
    if isinstance(rule, (ForeignKey, Unique)):
        return rule.columns
    if isinstance(rule, (Ordered, NoGaps)):
        return (rule.column, *rule.by)
    if isinstance(rule, (Fresh, Volume)):
        return (rule.column,) if rule.column else ()
    return tuple(rule.holds().meta.root_names())


def rule_row_checks(rules: list[Rule], frame: pl.DataFrame, around: Surroundings) -> Iterator[RowCheck]:
    """The rules whose failures are rows."""
    for rule in rules:
        if isinstance(rule, Unique):
            yield unique_check(rule.columns, rule.severity)
        elif isinstance(rule, Ordered):
            yield _ordered(rule)
        elif isinstance(rule, ForeignKey):
            check = _foreign_key(rule, frame, around)
            if check is not None:
                yield check


def table_results(rules: list[Rule], frame: pl.DataFrame, around: Surroundings) -> Iterator[CheckResult]:
    """The rules whose failures are the table's."""
    for rule in rules:
        if isinstance(rule, Fresh):
            yield _fresh(rule, frame, around)
        elif isinstance(rule, Volume):
            yield _volume(rule, frame)
        elif isinstance(rule, NoGaps):
            yield _gaps(rule, frame)
        elif isinstance(rule, TableRule):
            yield _table_rule(rule, frame)
        elif isinstance(rule, ForeignKey) and rule.table not in around.tables:
            known = ", ".join(around.tables) or "none"
            detail = f"cannot be checked: there is no table '{rule.table}' beside this one; there are: {known}"
            yield CheckResult("foreign_key", ", ".join(rule.columns), "failed", detail, 0)


def _ordered(rule: Ordered) -> RowCheck:
    import polars as pl

    value = pl.col(rule.column)
    before = value.cum_max().forward_fill().shift(1)  # the running maximum skips nulls, and is null there
    fails = value <= before if rule.strictly else value < before
    if rule.by:
        fails = fails.over(list(rule.by))
    where = f" within {', '.join(rule.by)}" if rule.by else ""
    verb = "does not rise from" if rule.strictly else "falls below"
    return RowCheck("ordered", rule.column, rule.severity, fails, f"{verb} the rows before it{where}")


def _foreign_key(rule: ForeignKey, frame: pl.DataFrame, around: Surroundings) -> RowCheck | None:
    import polars as pl

    if rule.table not in around.tables:
        return None
    other = around.tables[rule.table]
    absent = [name for name in rule.to if name not in other.column_names]
    if absent:
        raise DefinitionError(f"ForeignKey: table '{rule.table}' has no column '{absent[0]}'")
    keys = pl.from_arrow(other.select(list(rule.to)))
    assert isinstance(keys, pl.DataFrame)
    keys = keys.rename(dict(zip(rule.to, rule.columns, strict=True))).unique()
    wanted = frame.select(rule.columns)
    if len(rule.columns) == 1:
        orphan = ~wanted.to_series().is_in(keys.to_series().implode())
    else:
        found = wanted.join(keys.with_columns(known=True), on=list(rule.columns), how="left", maintain_order="left")
        complete = wanted.select(pl.all_horizontal(pl.all().is_not_null())).to_series()
        orphan = found.get_column("known").is_null() & complete
    orphan = orphan.fill_null(value=False)
    if frame.height and int(orphan.sum()) <= rule.orphans_at_most * frame.height:
        orphan = pl.zeros(frame.height, dtype=pl.Boolean(), eager=True)
    name = ", ".join(rule.columns)
    complaint = f"is not in {rule.table} ({', '.join(rule.to)})"
    return RowCheck("foreign_key", name, rule.severity, orphan, complaint)


def _fresh(rule: Fresh, frame: pl.DataFrame, around: Surroundings) -> CheckResult:
    newest = frame.get_column(rule.column).max()
    if newest is None:
        return _whole("fresh", rule.column, rule.severity, f"there is no moment in {rule.column}")
    assert isinstance(newest, datetime)
    age = ((around.now or datetime.now(UTC)) - newest).total_seconds()
    limit = seconds(rule.within, where="Fresh")
    if age <= limit:
        return CheckResult("fresh", rule.column, "passed", "", 0)
    detail = f"the newest {rule.column} is {newest.isoformat()}, {spoken(age)} old; at most {spoken(limit)} is expected"
    return _whole("fresh", rule.column, rule.severity, detail)


def _volume(rule: Volume, frame: pl.DataFrame) -> CheckResult:
    limits = f"at least {rule.at_least:,}" + (f" and at most {rule.at_most:,}" if rule.at_most is not None else "")
    if not rule.per:
        if frame.height >= rule.at_least and (rule.at_most is None or frame.height <= rule.at_most):
            return CheckResult("volume", "", "passed", "", 0)
        return _whole("volume", "", rule.severity, f"{frame.height:,} rows; {limits} are expected")
    counts = period_counts(frame.get_column(rule.column), seconds(rule.per, where="Volume"))
    inner = counts[1:-1]  # the first and the last are rarely whole
    wrong = [
        (start, rows)
        for start, rows in inner
        if rows < rule.at_least or (rule.at_most is not None and rows > rule.at_most)
    ]
    if not wrong:
        return CheckResult("volume", rule.column, "passed", "", 0)
    start, rows = wrong[0]
    detail = f"{len(wrong)} of {len(inner)} periods of {rule.per} have another number of rows than {limits}: "
    detail += f"first {start:%Y-%m-%d %H:%M} with {rows:,}"
    return _whole("volume", rule.column, rule.severity, detail)


def period_counts(moments: pl.Series, length_s: float) -> list[tuple[datetime, int]]:
    """Rows by period from the first row's midnight on, empty periods included; nulls are left out.

    Args:
        moments: timestamps with a zone, us.
        length_s: of a period.
    """
    import numpy as np

    values = moments.drop_nulls().to_physical().to_numpy()
    if not len(values):
        return []
    day_us = 86_400_000_000
    start = int(values.min()) // day_us * day_us
    numbers = (values - start) // int(length_s * 1e6)
    counts = np.bincount(numbers)
    moment = datetime.fromtimestamp(start / 1e6, UTC).timestamp()
    return [(datetime.fromtimestamp(moment + at * length_s, UTC), int(rows)) for at, rows in enumerate(counts.tolist())]


def _gaps(rule: NoGaps, frame: pl.DataFrame) -> CheckResult:
    import polars as pl

    value = pl.col(rule.column)
    rows = frame.select(rule.column, *rule.by).drop_nulls(rule.column)
    rows = rows.sort(*rule.by, rule.column)
    step = value.diff().over(list(rule.by)) if rule.by else value.diff()
    limit = seconds(rule.longest, where="NoGaps")
    long = rows.with_columns(step.alias("__gap")).filter(pl.col("__gap").dt.total_microseconds() > limit * 1e6)
    if not long.height:
        return CheckResult("gaps", rule.column, "passed", "", 0)
    worst = long.sort("__gap", descending=True, maintain_order=True).row(0, named=True)
    begins = worst[rule.column] - worst["__gap"]
    group = " where " + ", ".join(f"{name} is {worst[name]}" for name in rule.by) if rule.by else ""
    detail = (
        f"{long.height:,} gaps in {rule.column} are longer than {rule.longest}; the longest, "
        f"{spoken(worst['__gap'].total_seconds())}, from {begins.isoformat()} "
        f"to {worst[rule.column].isoformat()}{group}"
    )
    return _whole("gaps", rule.column, rule.severity, detail)


def _table_rule(rule: TableRule, frame: pl.DataFrame) -> CheckResult:
    import polars as pl

    try:
        answer: Any = frame.select(rule.holds().alias("holds")).to_series()
    except pl.exceptions.PolarsError as error:
        raise DefinitionError(f"table rule '{rule.name}' does not work on this table: {error}") from error
    if len(answer) != 1 or answer.dtype != pl.Boolean():
        raise DefinitionError(
            f"table rule '{rule.name}' gives {len(answer):,} values of {answer.dtype}; it gives one, true or false"
        )
    if answer[0]:
        return CheckResult(rule.name, "", "passed", "", 0)
    return _whole(rule.name, "", rule.severity, f"the table rule {rule.name} does not hold")


def _whole(name: str, column: str, severity: Severity, detail: str) -> CheckResult:
    return CheckResult(name, column, "failed" if severity == "stop" else "warned", detail, 0)
