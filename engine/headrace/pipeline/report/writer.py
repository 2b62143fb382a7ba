"""Writes pages: whole, or not at all."""

from __future__ import annotations

from pathlib import Path

from headrace.core.files import write_atomic
from headrace.data.profiling import Profile, SchemaProposal
from headrace.pipeline.report.model import RunReport
from headrace.pipeline.report.page import render
from headrace.pipeline.report.profile_page import render_profile


def write_report(path: Path, report: RunReport) -> None:
    """Write a report as one HTML file that needs no other file and no network.

    Equal reports give equal bytes. Matplotlib is imported here, not before.
    """
    write_atomic(path, render(report).encode("utf-8"))


def write_profile(path: Path, name: str, profile: Profile, proposal: SchemaProposal, *, command: str) -> None:
    """Write a table's profile as one HTML file that needs no other file and no network.

    Args:
        path: the file.
        name: of the table.
        profile: what was found.
        proposal: the schema it suggests.
        command: what writes this page again.
    """
    write_atomic(path, render_profile(name, profile, proposal, command).encode("utf-8"))
