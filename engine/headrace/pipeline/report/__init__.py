"""One self-contained HTML page about a run, or about a table: pictures, tables that sort, how to reproduce.

The pipeline fills a `RunReport` (plain data, see `model`); a table's page shows a `headrace.data.profiling.Profile`.
Nothing here computes a metric or reads a file of the run.
"""

from headrace.pipeline.report.model import RunReport
from headrace.pipeline.report.writer import write_profile, write_report

__all__ = ["RunReport", "write_profile", "write_report"]
