"""Check a table against its schema: one pass of Polars expressions, whatever the number of checks.

Most checks of most tables pass, so the first pass asks each check for one value that says whether a row can fail at
all; only those that can are worked out row by row.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from headrace.core.errors import DefinitionError, did_you_mean
from headrace.data.types import dtype_name
from headrace.validation.fields import Field, FrameRule
from headrace.validation.report import CheckResult, ValidationReport
from headrace.validation.rising import strictly_rising
from headrace.validation.row_checks import RowCheck, frame_rule_check, row_checks
from headrace.validation.schema import Schema, as_schema
from headrace.validation.table_checks import Surroundings, rule_columns, rule_row_checks, table_results

if TYPE_CHECKING:
    import polars as pl
    import pyarrow as pa


def validate(
    table: pa.Table, schema: Any, around: Surroundings | None = None, *, frame: pl.DataFrame | None = None
) -> ValidationReport:
    """Check every rule of a schema.

    A column that is absent or of another type fails the table, and its other checks are not run. Rows fail one by one:
    a row with several reasons is rejected once and names them all.

    Args:
        table: columns of the vocabulary's types; any number of rows, none included.
        schema: the rules: a `Schema`, or a pandera model for Polars.
        around: other tables, the environment, the moment, and which file the rows come from. With a `source_file` or a
            `line_column`, rejected rows have `source_file` and `line_number` too.
        frame: the same table, where the caller has it as a Polars frame already.

    Returns:
        one result a check, and the rows divided.

    Raises:
        DefinitionError: a rule's expression does not work on this table.
    """
    import polars as pl

    schema, around = as_schema(schema), around or Surroundings()
    if frame is None:
        converted = pl.from_arrow(table) if table.num_columns else pl.DataFrame()
        assert isinstance(converted, pl.DataFrame)
        frame = converted
    labels = set(schema.labels) if around.environment == "serving" else set()
    expected = [item for item in schema.fields if item.name not in labels]
    shape = [check for item in expected for check in _shape(table, item)]
    shape += _absent_labels(frame, schema.labels) if labels else []
    shape += _undeclared(table, schema) if schema.strict else []
    sound = [item for item in expected if item.name in table.column_names and not _complaint(table, item)]
    rules = [rule for rule in schema.rules if _readable(rule_columns(rule), schema, sound, frame)]
    checks = [*row_checks(schema, sound), *_frame_rules(schema, sound, frame)]
    checks += rule_row_checks(rules, frame, around)
    masks = _masks(frame, checks)
    results = [_result(check, frame, masks.get(at), around) for at, check in enumerate(checks)]
    whole = [*_null_shares(frame, sound), *table_results(rules, frame, around)]
    whole.append(_row_count(frame.height, schema.rows_at_least))
    rejecting = {at: mask for at, mask in masks.items() if checks[at].severity == "quarantine"}
    accepted, rejected = _divide(table, rejecting, checks, around)
    return ValidationReport((*shape, *results, *whole), accepted, rejected)


def _masks(frame: pl.DataFrame, checks: list[RowCheck]) -> dict[int, pl.Series]:
    """For each check that a row fails, by its place: one Boolean a row, True where it fails."""
    import polars as pl

    distinct = {at for at, check in enumerate(checks) if any(strictly_rising(frame[name]) for name in check.distinct)}
    ours = {at: check.screen for at, check in enumerate(checks) if check.screen is not None and at not in distinct}
    screens = frame.select([screen.alias(str(at)) for at, screen in ours.items()])
    passing = distinct | {int(column.name) for column in screens.iter_columns() if not column[0]}
    rest = [at for at, check in enumerate(checks) if at not in passing]
    fast = [at for at in rest if checks[at].column and isinstance(checks[at].fails, pl.Expr)]
    masks = {at: checks[at].fails for at in rest if isinstance(checks[at].fails, pl.Series)}
    try:
        together = frame.select([checks[at].fails.alias(str(at)) for at in fast])
        masks |= {int(column.name): column for column in together.iter_columns()}
        one_by_one = [at for at in rest if at not in masks]
    except pl.exceptions.PolarsError:
        one_by_one = [at for at in rest if at not in masks]  # which of them it is, the error names
    for at in one_by_one:
        masks[at] = _mask(frame, checks[at])
    found = {at: mask.fill_null(value=False) for at, mask in masks.items() if isinstance(mask, pl.Series)}
    return {at: found[at] for at in sorted(found) if found[at].any()}


def _mask(frame: pl.DataFrame, check: RowCheck) -> pl.Series:
    import polars as pl

    assert isinstance(check.fails, pl.Expr)
    try:
        mask = frame.select(check.fails.alias("fails")).to_series()
    except pl.exceptions.PolarsError as error:
        raise DefinitionError(f"row rule '{check.name}' does not work on this table: {error}") from error
    if mask.dtype != pl.Boolean() or len(mask) != frame.height:
        raise DefinitionError(
            f"row rule '{check.name}' gives {len(mask):,} values of {mask.dtype} for {frame.height:,} rows; "
            "it gives true or false for each row"
        )
    return mask


def _shape(table: pa.Table, item: Field) -> Iterator[CheckResult]:
    complaint = _complaint(table, item)
    name = "dtype" if item.name in table.column_names else "present"
    yield CheckResult(
        name, item.name, "failed" if complaint else "passed", complaint, table.num_rows if complaint else 0
    )


def _complaint(table: pa.Table, item: Field) -> str:
    if item.name not in table.column_names:
        hint = did_you_mean(item.name, table.column_names)
        said = f"the table has no column '{item.name}'" + (f"; {hint}" if hint else "")
        return said if item.required else ""
    found = dtype_name(table.schema.field(item.name).type)
    return "" if found == item.dtype else f"is {found or table.schema.field(item.name).type}, declared {item.dtype}"


def _absent_labels(frame: pl.DataFrame, labels: tuple[str, ...]) -> Iterator[CheckResult]:
    """When serving, nobody can know a label yet: one that is filled in comes from the future."""
    for name in labels:
        known = frame.height - frame.get_column(name).null_count() if name in frame.columns else 0
        detail = f"{known:,} of {frame.height:,} rows have the label {name}, which nobody knows when serving"
        yield CheckResult("absent", name, "failed" if known else "passed", detail if known else "", known)


def _undeclared(table: pa.Table, schema: Schema) -> Iterator[CheckResult]:
    for name in table.column_names:
        if name not in schema.dtypes:
            detail = f"the table has column '{name}', which the schema does not declare"
            yield CheckResult("declared", name, "failed", detail, 0)


def _readable(columns: tuple[str, ...], schema: Schema, sound: list[Field], frame: pl.DataFrame) -> bool:
    """Whether a rule can be asked: a column that another check has refused, or that a label's absence explains, is not.

    Raises:
        DefinitionError: a rule reads a column that neither the schema nor the table knows.
    """
    for name in columns:
        if name not in schema.dtypes and name not in frame.columns:
            raise DefinitionError(
                f"a rule reads column '{name}', which the table does not have", hint=did_you_mean(name, frame.columns)
            )
    known = {item.name for item in sound}
    return all(name in known or name not in schema.dtypes for name in columns)


def _frame_rules(schema: Schema, sound: list[Field], frame: pl.DataFrame) -> Iterator[RowCheck]:
    known = {item.name for item in sound}
    for rule in schema.rows:
        if isinstance(rule, FrameRule) and (not rule.column or rule.column in known):
            yield frame_rule_check(rule, frame)


def _result(check: RowCheck, frame: pl.DataFrame, mask: pl.Series | None, around: Surroundings) -> CheckResult:
    if mask is None:
        return CheckResult(check.name, check.column, "passed", "", 0)
    count = int(mask.sum())
    share = count / frame.height
    detail = f"{count:,} of {frame.height:,} rows ({share:.2%}): {check.column or check.name} {check.complaint}"
    if check.column in frame.columns and check.value_shown:
        first = mask.arg_true()[0]
        detail += f", first {frame.get_column(check.column)[first]!r} in row {first:,}"
    if around.line_column in frame.columns:
        line = frame.get_column(around.line_column)[mask.arg_true()[0]]
        detail += f" ({around.source_file + ' ' if around.source_file else ''}line {line})"
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
    table: pa.Table, masks: dict[int, pl.Series], checks: list[RowCheck], around: Surroundings
) -> tuple[pa.Table, pa.Table]:
    import polars as pl
    import pyarrow as pa

    if not masks:
        rejected = _located(table.slice(0, 0), around)
        return table, rejected.append_column("reason", pa.array([], pa.string()))
    failing = pl.DataFrame([mask.alias(str(at)) for at, mask in masks.items()])
    complaints = [
        pl.when(pl.col(str(at))).then(pl.lit(f"{checks[at].column or checks[at].name} {checks[at].complaint}"))
        for at in masks
    ]
    reasons = failing.select(pl.concat_str(complaints, separator="; ", ignore_nulls=True).alias("reason")).to_series()
    refused = failing.select(pl.any_horizontal(pl.all())).to_series()
    mask = refused.to_arrow()
    kept_reasons = reasons.filter(refused).to_arrow().cast(pa.string())
    rejected = _located(table.filter(mask), around).append_column("reason", kept_reasons)
    return table.filter(pa.compute.invert(mask)), rejected


def _located(rows: pa.Table, around: Surroundings) -> pa.Table:
    """Rejected rows with the place they come from, where that is known."""
    import pyarrow as pa

    if not around.source_file and around.line_column not in rows.column_names:
        return rows
    lines = pa.nulls(rows.num_rows, pa.int64())
    if around.line_column in rows.column_names:
        lines = rows.column(around.line_column).cast(pa.int64())
    files = pa.array([around.source_file] * rows.num_rows, pa.string())
    for name, values in (("source_file", files), ("line_number", lines)):
        if name not in rows.column_names:
            rows = rows.append_column(name, values)
    return rows
