"""The page of a tuning: which models are worth having, how the search went, which parameters mattered.

It draws what `headrace.pipeline.tuning` found; it trains and measures nothing.
"""

from headrace.pipeline.report.tuning.page import render_tuning, write_tuning

__all__ = ["render_tuning", "write_tuning"]
