"""Anomalies: a table against a frozen reference of what it used to be.

`freeze` measures a table that is as it should be, `TableReference` is the JSON that is reviewed and kept, and
`judge_anomalies` compares. Kinds of findings: missing_column, new_column, changed_type, distribution, null_share,
new_values, vanished_values, unit_change, sign_flip, mixed_units, swapped, constant, outliers, clock_shift, gap, volume,
duplicated_rows, relation, leakage. It reads tables and writes nothing.
"""

from headrace.validation.anomalies.judge import AnomalyReport as AnomalyReport
from headrace.validation.anomalies.judge import judge_anomalies as judge_anomalies
from headrace.validation.anomalies.measuring import freeze as freeze
from headrace.validation.anomalies.reference import ColumnReference as ColumnReference
from headrace.validation.anomalies.reference import TableReference as TableReference
from headrace.validation.anomalies.settings import AnomalySettings as AnomalySettings

__all__ = ["AnomalyReport", "AnomalySettings", "ColumnReference", "TableReference", "freeze", "judge_anomalies"]
