"""From the records of a run to the report's data, and to `report.html`. Computes nothing that a stage has not found."""

from headrace.pipeline.reporting.writing import build_report, read_report, rewrite_report, write_run_report

__all__ = ["build_report", "read_report", "rewrite_report", "write_run_report"]
