"""Validation: a table against what is declared, against what it used to be, against what nobody asked.

A `Schema` of `Field`, `RowRule` and rules over the table says what must hold and what a failure does (warn, quarantine,
stop); `validate` checks it in one Polars pass, `replay` takes set-aside rows back in once they pass.
`headrace.validation.anomalies` compares with a frozen reference, `.facts` finds what a table shows by itself, `.bias`
looks at declared sensitive columns. This package knows values, not where they come from, and writes nothing.
"""

from headrace.validation.fields import Field as Field
from headrace.validation.fields import FrameRule as FrameRule
from headrace.validation.fields import RowRule as RowRule
from headrace.validation.fields import Severity as Severity
from headrace.validation.replay import Replay as Replay
from headrace.validation.replay import replay as replay
from headrace.validation.report import CheckResult as CheckResult
from headrace.validation.report import ValidationReport as ValidationReport
from headrace.validation.rules import ForeignKey as ForeignKey
from headrace.validation.rules import Fresh as Fresh
from headrace.validation.rules import NoGaps as NoGaps
from headrace.validation.rules import Ordered as Ordered
from headrace.validation.rules import TableRule as TableRule
from headrace.validation.rules import Unique as Unique
from headrace.validation.rules import Volume as Volume
from headrace.validation.schema import Schema as Schema
from headrace.validation.schema import as_schema as as_schema
from headrace.validation.table_checks import Surroundings as Surroundings
from headrace.validation.validate import validate as validate

__all__ = [
    "CheckResult",
    "Field",
    "ForeignKey",
    "FrameRule",
    "Fresh",
    "NoGaps",
    "Ordered",
    "Replay",
    "RowRule",
    "Schema",
    "Severity",
    "Surroundings",
    "TableRule",
    "Unique",
    "ValidationReport",
    "Volume",
    "as_schema",
    "replay",
    "validate",
]
