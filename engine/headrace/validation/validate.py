"""Check a table against its schema: one pass of Polars expressions, whatever the number of checks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from headrace.core.errors import DefinitionError, did_you_mean
from headrace.data.types import dtype_name
from headrace.validation.fields import Field, Severity
from headrace.validation.report import CheckResult, ValidationReport
from headrace.validation.schema import Schema

if TYPE_CHECKING:
    import polars as pl
    import pyarrow as pa


@dataclass(frozen=True)
class _RowCheck:
    """A check that each row passes or fails: `fails` is true where it fails, never null."""

    name: str
    column: str
    severity: Severity
    fails: pl.Expr
    complaint: str


def validate(table: pa.Table, schema: Schema) -> ValidationReport:
    """Check every rule of a schema.

    A column that is absent or of another type fails the table, and its other checks are not run. Rows fail one by one:
    a row with several reasons is rejected once and names them all.

    Args:
        table: columns of the vocabulary's types; any number of rows, none included.
        schema: the rules.

    Returns:
        one result a check, and the rows divided.

    Raises:
        DefinitionError: a row rule's expression does not work on this table.
    """
    import polars as pl

    frame = pl.from_arrow(table.combine_chunks()) if table.num_columns else pl.DataFrame()
    assert isinstance(frame, pl.DataFrame)
    shape = [check for item in schema.fields for check in _shape(table, item)]
    sound = [item for item in schema.fields if not _complaint(table, item)]
    row_checks = list(_row_checks(schema, {item.name for item in sound}, sound))
    masks = _masks(frame, row_checks)
    counts = [int(masks.get_column(str(at)).sum()) for at in range(len(row_checks))]
    results = [
        _result(check, count, frame, masks[str(at)])
        for at, (check, count) in enumerate(zip(row_checks, counts, strict=True))
    ]
    whole = [*_null_shares(frame, sound), _row_count(frame.height, schema.rows_at_least)]
    rejecting = [at for at, check in enumerate(row_checks) if check.severity == "quarantine" and counts[at]]
    accepted, rejected = _divide(table, masks, rejecting, row_checks)
    return ValidationReport((*shape, *results, *whole), accepted, rejected)


def _masks(frame: pl.DataFrame, checks: list[_RowCheck]) -> pl.DataFrame:
    """One Boolean column a check, named by its place, True where a row fails."""
    import polars as pl

    rules = {str(at): check for at, check in enumerate(checks) if not check.column}
    ours = [check.fails.alias(str(at)) for at, check in enumerate(checks) if check.column]
    masks = {mask.name: mask for mask in frame.select(ours).iter_columns()}
    for at, rule in rules.items():
        try:
            mask = frame.select(rule.fails.alias(at)).to_series()
        except pl.exceptions.PolarsError as error:
            raise DefinitionError(f"row rule '{rule.name}' does not work on this table: {error}") from error
        if mask.dtype != pl.Boolean() or len(mask) != frame.height:
            raise DefinitionError(
                f"row rule '{rule.name}' gives {len(mask):,} values of {mask.dtype} for {frame.height:,} rows; "
                "it gives true or false for each row"
            )
        masks[at] = mask
    return pl.DataFrame([masks[str(at)].fill_null(value=False) for at in range(len(checks))])


def _shape(table: pa.Table, item: Field) -> Iterator[CheckResult]:
    complaint = _complaint(table, item)
    name = "dtype" if item.name in table.column_names else "present"
    yield CheckResult(
        name, item.name, "failed" if complaint else "passed", complaint, table.num_rows if complaint else 0
    )


def _complaint(table: pa.Table, item: Field) -> str:
    if item.name not in table.column_names:
        hint = did_you_mean(item.name, table.column_names)
        return f"the table has no column '{item.name}'" + (f"; {hint}" if hint else "")
    found = dtype_name(table.schema.field(item.name).type)
    return "" if found == item.dtype else f"is {found or table.schema.field(item.name).type}, declared {item.dtype}"


def _row_checks(schema: Schema, known: set[str], sound: list[Field]) -> Iterator[_RowCheck]:
    import polars as pl

    for item in sound:
        yield from _field_checks(item, pl.col(item.name))
    if schema.unique and known.issuperset(schema.unique):
        together = pl.struct(list(schema.unique))
        name = ", ".join(schema.unique)
        yield _RowCheck("unique", name, "quarantine", ~together.is_first_distinct(), "comes again")
    unsound = {item.name for item in schema.fields} - known
    for rule in schema.rows:
        holds = rule.holds()
        if unsound.isdisjoint(holds.meta.root_names()):
            yield _RowCheck(rule.name, "", rule.severity, ~holds, "does not hold")


def _field_checks(item: Field, value: pl.Expr) -> Iterator[_RowCheck]:
    import polars as pl

    if not item.nullable:
        yield _RowCheck("not_null", item.name, item.severity, value.is_null(), "is missing")
    if item.min is not None or item.max is not None:
        # Polars orders NaN above every number, so that NaN passes a lower bound: it is asked for by name.
        outside = value.is_nan() if item.dtype == "float64" else pl.lit(value=False)
        if item.min is not None:
            outside = outside | (value < item.min)
        if item.max is not None:
            outside = outside | (value > item.max)
        low = "" if item.min is None else f"{item.min:g}"
        high = "" if item.max is None else f"{item.max:g}"
        yield _RowCheck("range", item.name, item.severity, outside, f"is outside [{low}, {high}]")
    if item.allowed:
        allowed = [float(known) for known in item.allowed] if item.dtype == "float64" else list(item.allowed)
        refused = ~value.is_in(allowed)
        yield _RowCheck("allowed", item.name, item.severity, refused, f"is none of {', '.join(map(str, item.allowed))}")
    if item.unique:
        again = value.is_not_null() & ~value.is_first_distinct()
        yield _RowCheck("unique", item.name, item.severity, again, "comes again")


def _result(check: _RowCheck, count: int, frame: pl.DataFrame, mask: pl.Series) -> CheckResult:
    if not count:
        return CheckResult(check.name, check.column, "passed", "", 0)
    share = count / frame.height
    detail = f"{count:,} of {frame.height:,} rows ({share:.2%}): {check.column or check.name} {check.complaint}"
    if check.column in frame.columns and check.name != "not_null":
        first = mask.arg_true()[0]
        detail += f", first {frame.get_column(check.column)[first]!r} in row {first:,}"
    return CheckResult(check.name, check.column, "failed" if check.severity == "stop" else "warned", detail, count)


def _null_shares(frame: pl.DataFrame, sound: list[Field]) -> Iterator[CheckResult]:
    for item in sound:
        if item.null_share_at_most is None:
            continue
        nulls = frame.get_column(item.name).null_count()
        share = nulls / frame.height if frame.height else 0.0
        if share <= item.null_share_at_most:
            yield CheckResult("null_share", item.name, "passed", "", 0)
        else:
            detail = f"{nulls:,} of {frame.height:,} rows ({share:.2%}) have no {item.name}"
            yield CheckResult(
                "null_share", item.name, "warned", f"{detail}; expected at most {item.null_share_at_most:.2%}", nulls
            )


def _row_count(rows: int, at_least: int) -> CheckResult:
    if rows >= at_least:
        return CheckResult("rows", "", "passed", "", 0)
    return CheckResult("rows", "", "failed", f"{rows:,} rows, at least {at_least:,} are expected", 0)


def _divide(
    table: pa.Table, masks: pl.DataFrame, rejecting: list[int], checks: list[_RowCheck]
) -> tuple[pa.Table, pa.Table]:
    import polars as pl
    import pyarrow as pa

    if not rejecting:
        return table, table.slice(0, 0).append_column("reason", pa.array([], pa.string()))
    complaints = [
        pl.when(pl.col(str(at))).then(pl.lit(f"{checks[at].column or checks[at].name} {checks[at].complaint}"))
        for at in rejecting
    ]
    reasons = masks.select(pl.concat_str(complaints, separator="; ", ignore_nulls=True).alias("reason")).to_series()
    refused = masks.select(pl.any_horizontal(str(at) for at in rejecting)).to_series()
    mask = refused.to_arrow()
    kept_reasons = reasons.filter(refused).to_arrow().cast(pa.string())
    return table.filter(pa.compute.invert(mask)), table.filter(mask).append_column("reason", kept_reasons)
