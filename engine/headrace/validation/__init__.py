"""Validation: a table against the schema its project declares; failing rows are set aside with their reasons.

A `Schema` of `Field` and `RowRule` says what must hold and what a failure does (warn, quarantine, stop); `validate`
checks it in one Polars pass. This package knows values, not where they come from, and writes nothing.
"""

from headrace.validation.fields import Field as Field
from headrace.validation.fields import RowRule as RowRule
from headrace.validation.fields import Severity as Severity
from headrace.validation.report import CheckResult as CheckResult
from headrace.validation.report import ValidationReport as ValidationReport
from headrace.validation.schema import Schema as Schema
from headrace.validation.validate import validate as validate

__all__ = ["CheckResult", "Field", "RowRule", "Schema", "Severity", "ValidationReport", "validate"]
