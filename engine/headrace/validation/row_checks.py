"""Checks that each row passes or fails: what a schema says becomes Polars expressions."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from headrace.core.errors import DefinitionError
from headrace.validation.fields import Field, FrameRule, RowRule, Severity, moment
from headrace.validation.schema import Schema

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True)
class RowCheck:
    """A check of rows.

    Attributes:
        name: what is checked.
        column: of which column; empty for a check of several.
        severity: what a failing row does.
        fails: true where a row fails; null passes.
        complaint: what is wrong with a row, after the column's name.
        screen: one value that is false where no row can fail, and cheaper than `fails`; None: there is none.
        value_shown: whether the first failing value is worth showing.
        distinct: columns that together must differ from row to row: where one of them rises, no row can fail.
    """

    name: str
    column: str
    severity: Severity
    fails: pl.Expr | pl.Series
    complaint: str
    screen: pl.Expr | None = None
    value_shown: bool = True
    distinct: tuple[str, ...] = ()


def row_checks(schema: Schema, sound: Collection[Field]) -> Iterator[RowCheck]:
    """Every check that expressions can say, in the order of the schema, of columns that are there with their type."""
    import polars as pl

    known = {item.name for item in sound}
    for item in sound:
        yield from _field_checks(item, pl.col(item.name))
    if schema.unique and known.issuperset(schema.unique):
        yield unique_check(schema.unique, "quarantine")
    unsound = {item.name for item in schema.fields} - known
    for rule in schema.rows:
        if isinstance(rule, RowRule):
            holds = rule.holds()
            if unsound.isdisjoint(holds.meta.root_names()):
                yield RowCheck(rule.name, rule.column, rule.severity, ~holds, _broken(rule))


def unique_check(columns: tuple[str, ...], severity: Severity) -> RowCheck:
    """Values of columns together come once."""
    import polars as pl

    together = pl.struct(list(columns)) if len(columns) > 1 else pl.col(columns[0])
    fails = ~together.is_first_distinct()
    screen = together.n_unique() < pl.len()
    return RowCheck("unique", ", ".join(columns), severity, fails, "comes again", screen, distinct=columns)


def frame_rule_check(rule: FrameRule, frame: pl.DataFrame) -> RowCheck:
    """Run a rule that is a function of the frame.

    Raises:
        DefinitionError: it fails, or gives neither a Boolean a row nor one for all.
    """
    import polars as pl

    try:
        answer = rule.holds(frame.lazy()).collect()
    except Exception as error:  # a project's function may raise anything
        raise DefinitionError(f"rule '{rule.name}' does not work on this table: {error}") from error
    holds = answer.to_series() if answer.width == 1 else answer.select(pl.all_horizontal(pl.all())).to_series()
    if len(holds) == 1 and frame.height != 1:
        holds = pl.Series([holds[0]]).new_from_index(0, frame.height)
    if holds.dtype != pl.Boolean() or len(holds) != frame.height:
        raise DefinitionError(
            f"rule '{rule.name}' gives {len(holds):,} values of {holds.dtype} for {frame.height:,} rows; "
            "it gives true or false for each row"
        )
    return RowCheck(rule.name, rule.column, rule.severity, ~holds, _broken(rule))


def _broken(rule: RowRule | FrameRule) -> str:
    return f"breaks the rule {rule.name}" if rule.column else "does not hold"


def _field_checks(item: Field, value: pl.Expr) -> Iterator[RowCheck]:
    if not item.nullable:
        yield RowCheck(
            "not_null", item.name, item.severity, value.is_null(), "is missing", value.null_count() > 0,
            value_shown=False,
        )  # fmt: skip
    if item.min is not None or item.max is not None:
        yield _range(item, value)
    if item.not_before or item.not_after:
        yield _moments(item, value)
    if item.allowed:
        allowed = [float(known) for known in item.allowed] if item.dtype == "float64" else list(item.allowed)
        refused = ~value.is_in(allowed)
        yield RowCheck("allowed", item.name, item.severity, refused, f"is none of {', '.join(map(str, item.allowed))}")
    if item.pattern:
        refused = ~value.str.contains(f"^(?:{item.pattern})$")
        yield RowCheck("pattern", item.name, item.severity, refused, f"does not match {item.pattern}")
    if item.min_length is not None or item.max_length is not None:
        yield _length(item, value)
    if item.unique:
        again = value.is_not_null() & ~value.is_first_distinct()
        screen = value.drop_nulls().n_unique() < value.count()
        yield RowCheck("unique", item.name, item.severity, again, "comes again", screen, distinct=(item.name,))


def _range(item: Field, value: pl.Expr) -> RowCheck:
    import polars as pl

    # Polars orders NaN above every number, so that NaN passes a lower bound: it is asked for by name.
    floating = item.dtype == "float64"
    outside = value.is_nan() if floating else pl.lit(value=False)
    screen = value.is_nan().any() if floating else pl.lit(value=False)
    if item.min is not None:
        outside, screen = outside | (value < item.min), screen | (value.min() < item.min)
    if item.max is not None:
        outside, screen = outside | (value > item.max), screen | (value.max() > item.max)
    low = "" if item.min is None else f"{item.min:g}"
    high = "" if item.max is None else f"{item.max:g}"
    return RowCheck("range", item.name, item.severity, outside, f"is outside [{low}, {high}]", screen)


def _moments(item: Field, value: pl.Expr) -> RowCheck:
    import polars as pl

    outside = screen = pl.lit(value=False)
    if item.not_before:
        first = pl.lit(moment(item.not_before, where="Field"), dtype=pl.Datetime("us", "UTC"))
        outside, screen = outside | (value < first), screen | (value.min() < first)
    if item.not_after:
        last = pl.lit(moment(item.not_after, where="Field"), dtype=pl.Datetime("us", "UTC"))
        outside, screen = outside | (value > last), screen | (value.max() > last)
    complaint = f"is outside [{item.not_before}, {item.not_after}]"
    return RowCheck("range", item.name, item.severity, outside, complaint, screen)


def _length(item: Field, value: pl.Expr) -> RowCheck:
    import polars as pl

    chars = value.str.len_chars()
    outside = pl.lit(value=False)
    if item.min_length is not None:
        outside = outside | (chars < item.min_length)
    if item.max_length is not None:
        outside = outside | (chars > item.max_length)
    low = "" if item.min_length is None else str(item.min_length)
    high = "" if item.max_length is None else str(item.max_length)
    return RowCheck("length", item.name, item.severity, outside, f"does not have [{low}, {high}] characters")
