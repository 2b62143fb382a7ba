"""One self-contained HTML page about tables: checks, what is unlike the reference, what they show, who is in them.

It shows `headrace.validation.Examination`s as they are; nothing here computes a statistic or reads a table.
"""

from headrace.pipeline.report.examined.page import write_page

__all__ = ["write_page"]
