"""The page of a comparison of runs: what came out best, by how much, and which parameters decided.

It is given runs side by side and draws; it reads no database and ranks nothing anew.
"""

from headrace.pipeline.report.compared.page import render_comparison, write_comparison

__all__ = ["render_comparison", "write_comparison"]
