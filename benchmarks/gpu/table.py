"""The table on the terminal, in colour where rich is installed and somebody looks."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Mapping
from typing import Any

from findings import Finding, Status

_COLOURS = {
    Status.PASS: "32", Status.FAIL: "1;31", Status.SKIPPED: "33", Status.MISSING: "33", Status.MEASURED: "36",
}  # fmt: skip


def print_title(title: str) -> None:
    """The line above a section."""
    print(f"\n{title}", flush=True)


def print_finding(finding: Finding) -> None:
    """One line of the table."""
    status = f"{finding.status:<9}"
    if sys.stdout.isatty():
        status = f"\x1b[{_COLOURS[finding.status]}m{status}\x1b[0m"
    print(f"  {status} {finding.name:<46} {figure_text(finding):<30} {finding.detail}".rstrip(), flush=True)


def figure_text(finding: Finding) -> str:
    """A figure beside its bar, as text."""
    if finding.figure is None:
        return ""
    text = f"{finding.figure:,.3g} {finding.unit}" if finding.figure < 1000 else f"{finding.figure:,.0f} {finding.unit}"
    if finding.bar is None:
        return text
    return f"{text} (bar: {'at most' if finding.most else 'at least'} {finding.bar:g})"


def summary(document: Mapping[str, Any]) -> int:
    """Print how many lines there are of each kind; the number of those that failed."""
    found = [each for section in document["sections"].values() for each in section["findings"]]
    counts = Counter(each["status"] for each in found)
    words = ", ".join(f"{counts[status]} {status}" for status in Status if counts[status])
    print(f"\n{document['device']}: {words} in {document['seconds']:.0f} s", flush=True)
    return counts[Status.FAIL]
