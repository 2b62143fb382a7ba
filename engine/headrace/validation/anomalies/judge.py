"""A table against its reference: every test, one correction over all of them, and one finding a cause."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from headrace.validation.anomalies.clocks import clock_shifts
from headrace.validation.anomalies.columns import constant, outliers, shape, swapped
from headrace.validation.anomalies.distributions import Test, compare, new_values
from headrace.validation.anomalies.duplicates import duplicated_blocks
from headrace.validation.anomalies.measuring import Measured, measured
from headrace.validation.anomalies.reference import TableReference
from headrace.validation.anomalies.relations import leakage, relations
from headrace.validation.anomalies.settings import AnomalySettings
from headrace.validation.anomalies.significance import holm
from headrace.validation.anomalies.units import mixed_units, unit_change
from headrace.validation.anomalies.volume import volume
from headrace.validation.findings import Finding

if TYPE_CHECKING:
    import polars as pl
    import pyarrow as pa

_CAUSES = frozenset({"unit_change", "sign_flip", "mixed_units", "swapped", "constant", "outliers", "changed_type"})


@dataclass(frozen=True)
class AnomalyReport:
    """What is unlike the reference.

    Attributes:
        findings: causes before symptoms, the largest first.
        tests: tests that chance was ruled out over.
        rows: of the table.
        judged: whether the table has enough rows to say anything about distributions.
        settings: the thresholds.
    """

    findings: tuple[Finding, ...]
    tests: int
    rows: int
    judged: bool
    settings: AnomalySettings

    @property
    def clean(self) -> bool:
        """Whether nothing was found."""
        return not self.findings

    def of(self, kind: str) -> tuple[Finding, ...]:
        """Findings of one kind."""
        return tuple(finding for finding in self.findings if finding.kind == kind)

    def to_json(self) -> dict[str, Any]:
        """JSON data."""
        return {
            "findings": [finding.to_json() for finding in self.findings],
            "tests": self.tests,
            "rows": self.rows,
            "judged": self.judged,
            "settings": self.settings.to_json(),
        }


def judge_anomalies(
    table: pa.Table | pl.DataFrame,
    reference: TableReference,
    *,
    label: str = "",
    row_numbers: tuple[str, ...] = (),
    settings: AnomalySettings | None = None,
) -> AnomalyReport:
    """Compare a table with what it used to be.

    Null and NaN: nulls are judged as a share; values that are not finite are left out of distributions.

    Args:
        table: in the order of its source.
        reference: of the table as it should be.
        label: a column that nothing should give away; empty: none.
        row_numbers: columns that number rows (a line of a file), which are not looked at.
        settings: thresholds; None: the defaults.

    Complexity: O(rows x columns) for nulls, ranges, new values and repeated rows; the rest is on a sample.
    """
    import polars as pl

    settings = settings or AnomalySettings()
    frame = table if isinstance(table, pl.DataFrame) else pl.from_arrow(table)
    assert isinstance(frame, pl.DataFrame)
    new = measured(frame.drop(row_numbers, strict=False), sample_rows=settings.sample_rows)
    certain = [*shape(reference, new), *duplicated_blocks(new.frame)]
    judged = new.frame.height >= settings.least_rows
    tests: list[Test] = []
    if judged:
        both = [column for column in reference.columns if new.dtypes.get(column.name) == column.dtype]
        tests = [test for column in both for test in compare(column, new, settings)]
        tests += relations(reference, new, settings)
        certain += _certain(reference, new, settings)
        certain += leakage(new, label) if label else ()
    real = holm([test.p_value for test in tests], settings.alpha)
    unlikely = [
        test.finding for test, rejected in zip(tests, real, strict=True) if rejected and test.finding.effect >= 1
    ]
    findings = tuple(_explained(certain, unlikely))
    return AnomalyReport(findings, len(tests), new.frame.height, judged, settings)


def _certain(reference: TableReference, new: Measured, settings: AnomalySettings) -> Iterator[Finding]:
    """Findings that are not a matter of chance: their limits are far beyond what sampling does."""
    for column in reference.columns:
        if new.dtypes.get(column.name) != column.dtype:
            continue
        found = [constant(column, new)]
        if not column.numbering:
            found.append(outliers(column, new))
        if column.numeric and not column.numbering:
            values = new.values(column.name)
            found += [
                (unit_change(column, values, new.percentiles(column.name)) if len(values) else None)
                or mixed_units(column, values)
            ]
        yield from (finding for finding in found if finding is not None)
        yield from new_values(column, new)
    yield from swapped(reference, new)
    yield from clock_shifts(reference, new)
    yield from volume(reference, new, settings)


def _explained(certain: list[Finding], unlikely: list[Finding]) -> Iterator[Finding]:
    """One finding a cause: swapped columns are no change of unit, which is why a distribution moved."""
    pairs = {name for finding in certain if finding.kind == "swapped" for name in finding.column.split(", ")}
    scaled = {f.column for f in certain if f.kind in {"unit_change", "sign_flip", "mixed_units"}} - pairs
    causes = [
        finding
        for finding in certain
        if not (finding.column in pairs and finding.kind != "swapped")
        and not (finding.kind == "outliers" and finding.column in scaled)
    ]
    histograms = {f.column: f.evidence for f in unlikely if f.kind == "distribution"}
    for finding in causes:
        if finding.column in histograms and "now" not in finding.evidence:
            yield Finding(**{**vars(finding), "evidence": {**histograms[finding.column], **finding.evidence}})
        else:
            yield finding
    known = {name for finding in causes if finding.kind in _CAUSES for name in finding.column.split(", ")}
    named = {finding.column for finding in causes if finding.kind == "new_values"}
    vanished = {finding.column for finding in unlikely if finding.kind == "vanished_values"} - named
    symptoms = [
        finding
        for finding in unlikely
        if known.isdisjoint(finding.column.split(", "))
        and not (finding.kind == "vanished_values" and finding.column in named)
        and not (finding.kind == "distribution" and finding.column in vanished)
    ]
    yield from sorted(symptoms, key=lambda finding: (-finding.effect, finding.column))
