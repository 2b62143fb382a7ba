"""Rules about a table's values: declared once, checked in one pass, each failing row set aside with its reason.

Knows columns and values, not stages: what a failed check does to a run is decided by whoever asked. The same rules can
be taken from a pandera model (`Schema.from_pandera`).
"""

from headrace.validation.fields import Field as Field
from headrace.validation.fields import RowRule as RowRule
from headrace.validation.fields import Severity as Severity
from headrace.validation.report import CheckResult as CheckResult
from headrace.validation.report import ValidationReport as ValidationReport
from headrace.validation.schema import Schema as Schema
from headrace.validation.validate import validate as validate

__all__ = ["CheckResult", "Field", "RowRule", "Schema", "Severity", "ValidationReport", "validate"]
