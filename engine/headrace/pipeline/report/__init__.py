"""One self-contained HTML page about a run: verdict, pictures, tables that sort, how to reproduce.

The pipeline fills a `RunReport` (plain data, see `model`); nothing here computes a metric or reads a file of the run.
"""

from headrace.pipeline.report.model import RunReport
from headrace.pipeline.report.writer import write_report

__all__ = ["RunReport", "write_report"]
