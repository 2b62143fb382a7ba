"""Everything that can be said of a table at once: checks, anomalies, facts, groups. What a data report shows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from headrace.validation.anomalies import AnomalyReport, AnomalySettings, TableReference, judge_anomalies
from headrace.validation.bias import ProxyReport, Representation, proxies, representation
from headrace.validation.facts import find_facts
from headrace.validation.findings import Finding
from headrace.validation.report import CheckResult, ValidationReport, raise_if_failed
from headrace.validation.schema import Schema
from headrace.validation.table_checks import Surroundings, period_counts
from headrace.validation.validate import validate

if TYPE_CHECKING:
    import polars as pl
    import pyarrow as pa

_DAY_S = 86_400.0
_LABEL = "__headrace_label"


@dataclass(frozen=True)
class Extent:
    """What is looked at beside the schema's checks.

    Attributes:
        reference: what the table used to be; None: no anomalies.
        settings: thresholds of anomalies.
        facts: whether to look for what the table shows by itself.
        bias: whether to look at the schema's sensitive columns.
    """

    reference: TableReference | None = None
    settings: AnomalySettings = field(default_factory=AnomalySettings)
    facts: bool = True
    bias: bool = True


@dataclass(frozen=True)
class Examination:
    """What was found about one table.

    Attributes:
        name: the table.
        rows: of it.
        report: the schema's checks; None where no schema is declared.
        anomalies: None where no reference is frozen.
        facts: what it shows by itself.
        groups: one a sensitive column, and one for all of them together where there are several.
        proxies: one a sensitive column.
        time_column: the timestamp column that `days` are of; empty without any.
        days: UTC days as ISO dates, and their rows; empty where they are more than 5,000.
        stops: whether an anomaly fails the table.
    """

    name: str
    rows: int
    report: ValidationReport | None = None
    anomalies: AnomalyReport | None = None
    facts: tuple[Finding, ...] = ()
    groups: tuple[Representation, ...] = ()
    proxies: tuple[ProxyReport, ...] = ()
    time_column: str = ""
    days: tuple[tuple[str, int], ...] = ()
    stops: bool = False

    @property
    def checks(self) -> tuple[CheckResult, ...]:
        """The schema's checks; none without a schema."""
        return self.report.checks if self.report is not None else ()

    @property
    def comparisons(self) -> tuple[CheckResult, ...]:
        """The comparison with the reference as checks: one an anomaly, or that there is none."""
        if self.anomalies is None:
            return ()
        if self.anomalies.clean:
            return (CheckResult("reference", "", "passed", "", 0),)
        status: Literal["warned", "failed"] = "failed" if self.stops else "warned"
        return tuple(
            CheckResult(found.kind, found.column, status, found.message, 0) for found in self.anomalies.findings
        )

    def raise_if_failed(self) -> None:
        """Turn a failed check, or an anomaly that stops the run, into an error.

        Raises:
            FailedCheckError: naming the first one, and how many others.
        """
        raise_if_failed(self.name, (*self.checks, *self.comparisons))

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Anomalies and what groups and proxies say; not facts, which are no faults."""
        own = self.anomalies.findings if self.anomalies is not None else ()
        return (
            *own,
            *(f for group in self.groups for f in group.findings),
            *(f for p in self.proxies for f in p.findings),
        )

    def to_json(self) -> dict[str, Any]:
        """JSON data, without rows."""
        return {
            "table": self.name,
            "rows": self.rows,
            "validation": self.report.to_json() if self.report is not None else None,
            "anomalies": self.anomalies.to_json() if self.anomalies is not None else None,
            "facts": [finding.to_json() for finding in self.facts],
            "groups": [group.to_json() for group in self.groups],
            "proxies": [report.to_json() for report in self.proxies],
            "time_column": self.time_column,
            "days": [list(day) for day in self.days],
        }


def examine(
    name: str,
    table: pa.Table,
    schema: Schema | None = None,
    *,
    around: Surroundings | None = None,
    extent: Extent | None = None,
) -> Examination:
    """Look at a table in every way that is declared for it.

    Args:
        name: of the table.
        table: in the order of its source.
        schema: what it must be; None: nothing is checked.
        around: other tables, environment, file and line; as for `validate`.
        extent: what else to look at.

    Raises:
        DefinitionError: a rule, or the outcome, does not work on this table.
    """
    import polars as pl

    around, extent = around or Surroundings(), extent or Extent()
    frame = pl.from_arrow(table)
    assert isinstance(frame, pl.DataFrame)
    numbering = (around.line_column,) if around.line_column else ()
    anomalies = None
    if extent.reference is not None:
        anomalies = _anomalies(frame, schema, extent.reference, extent.settings, numbering)
    time = _time_column(frame, schema, extent.reference)
    return Examination(
        name,
        frame.height,
        validate(table, schema, around, frame=frame) if schema is not None else None,
        anomalies,
        find_facts(frame, row_numbers=numbering) if extent.facts else (),
        tuple(_groups(frame, schema)) if schema is not None and extent.bias else (),
        tuple(_proxies(frame, schema)) if schema is not None and extent.bias else (),
        time,
        _days(frame, time),
        schema is not None and schema.anomalies == "stop",
    )


def _anomalies(
    frame: pl.DataFrame,
    schema: Schema | None,
    reference: TableReference,
    settings: AnomalySettings,
    numbering: tuple[str, ...],
) -> AnomalyReport:
    if schema is None or schema.outcome is None:
        return judge_anomalies(frame, reference, row_numbers=numbering, settings=settings)
    # Columns that the outcome is made of say it by definition; others that say it give it away.
    outcome = schema.outcome()
    made_of = set(outcome.meta.root_names()) | set(schema.labels)
    report = judge_anomalies(
        frame.with_columns(outcome.alias(_LABEL)), reference, label=_LABEL, row_numbers=numbering, settings=settings
    )
    kept = tuple(
        Finding(**{**vars(f), "message": f.message.replace(f"the label {_LABEL}", "the outcome")})
        for f in report.findings
        if f.column != _LABEL and not (f.kind == "leakage" and f.column in made_of)
    )
    return AnomalyReport(kept, report.tests, report.rows, report.judged, report.settings)


def _groups(frame: pl.DataFrame, schema: Schema) -> Iterable[Representation]:
    there = [name for name in schema.sensitive if name in frame.columns]
    label = schema.outcome().alias("outcome") if schema.outcome is not None else None
    for name in there:
        yield representation(frame, name, label=label)
    if len(there) > 1:
        yield representation(frame, tuple(there), label=label)


def _proxies(frame: pl.DataFrame, schema: Schema) -> Iterable[ProxyReport]:
    left_out = {*schema.sensitive, *schema.labels}
    columns = [name for name in frame.columns if name not in left_out]
    for name in schema.sensitive:
        if name in frame.columns:
            yield proxies(frame, name, columns=columns)


def _time_column(frame: pl.DataFrame, schema: Schema | None, reference: TableReference | None) -> str:
    import polars as pl

    if reference is not None and reference.time_column in frame.columns:
        return reference.time_column
    moments = [name for name, dtype in frame.schema.items() if isinstance(dtype, pl.Datetime) and dtype.time_zone]
    declared = (
        [item.name for item in schema.fields if item.dtype == "timestamp" and not item.nullable] if schema else []
    )
    return next((name for name in declared if name in moments), next(iter(moments), ""))


def _days(frame: pl.DataFrame, time: str) -> tuple[tuple[str, int], ...]:
    if not time:
        return ()
    moments = frame.get_column(time).drop_nulls().dt.cast_time_unit("us")
    physical = moments.to_physical()
    low, high = physical.min(), physical.max()
    if low is None or high is None or float(high - low) / 1e6 > 5_000 * _DAY_S:  # type: ignore[arg-type, operator]
        return ()
    return tuple((f"{day:%Y-%m-%d}", rows) for day, rows in period_counts(moments, _DAY_S))
