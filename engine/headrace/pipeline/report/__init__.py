"""One self-contained HTML page about a run: verdict, pictures, tables that sort, how to reproduce.

The pipeline fills a `RunReport` (plain data, see `model`); nothing here computes a metric or reads a file of the run.
"""

from headrace.pipeline.report.model import RunReport

__all__ = ["RunReport"]
