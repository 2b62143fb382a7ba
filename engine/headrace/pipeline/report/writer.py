"""Writes the page: whole, or not at all."""

from __future__ import annotations

from pathlib import Path

from headrace.core.files import write_atomic
from headrace.pipeline.report.model import RunReport
from headrace.pipeline.report.page import render


def write_report(path: Path, report: RunReport) -> None:
    """Write a report as one HTML file that needs no other file and no network.

    Equal reports give equal bytes. Matplotlib is imported here, not before.
    """
    write_atomic(path, render(report).encode("utf-8"))
