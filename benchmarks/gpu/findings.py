"""What a check finds: one line of the table, and whether a figure meets its bar."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any


class Status(StrEnum):
    """What came of a check."""

    PASS = "pass"  # noqa: S105  # a verdict, no password
    FAIL = "fail"
    SKIPPED = "skipped"
    MISSING = "missing"
    MEASURED = "measured"


@dataclass(frozen=True)
class Finding:
    """One line.

    Attributes:
        name: what was checked; the page finds a bar's figure by it.
        status: what came of it.
        detail: in words: sizes, bytes, reasons.
        figure: what was measured, None where nothing was.
        unit: of the figure and the bar.
        bar: least figure that passes (`most` for the greatest), None where there is none.
        most: whether the bar is the greatest figure that passes.
    """

    name: str
    status: Status
    detail: str = ""
    figure: float | None = None
    unit: str = ""
    bar: float | None = None
    most: bool = False

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)

    @staticmethod
    def from_json(document: Mapping[str, Any]) -> Finding:
        """What `to_json` gave."""
        return Finding(**{**document, "status": Status(document["status"])})


@dataclass(frozen=True)
class Setting:
    """How a section runs.

    Attributes:
        emulated: on the tests' emulated device, at tiny sizes.
        smoke: at small sizes: results are checked, figures are shown beside their bars and not judged.
        inputs: folder that prepare.py filled.
        until: when the section's time is up, by `time.monotonic()`.
    """

    emulated: bool
    smoke: bool
    inputs: Path
    until: float

    @property
    def left_s(self) -> float:
        """Seconds left to the section."""
        return self.until - time.monotonic()

    @property
    def is_small(self) -> bool:
        """Whether sizes are too small for figures to mean anything."""
        return self.smoke or self.emulated

    def size(self, full: int, smoke: int, emulated: int) -> int:
        """The size for this kind of run."""
        return emulated if self.emulated else smoke if self.smoke else full

    def judged(self, finding: Finding) -> Finding:
        """A measured figure with its verdict; small sizes have none."""
        if finding.bar is None or finding.figure is None or self.is_small:
            return finding
        met = finding.figure <= finding.bar if finding.most else finding.figure >= finding.bar
        return Finding(**{**asdict(finding), "status": Status.PASS if met else Status.FAIL})


def measured(name: str, figure: float, unit: str, detail: str = "", *, bar: float | None = None) -> Finding:
    """A figure, with the least that passes where there is a bar."""
    return Finding(name, Status.MEASURED, detail, figure, unit, bar)


def equal(name: str, problem: str, detail: str = "") -> Finding:
    """A comparison: passed where there is no problem."""
    return Finding(name, Status.FAIL if problem else Status.PASS, problem or detail)


def missing(name: str, what: str) -> Finding:
    """Something that the check needs is not here."""
    return Finding(name, Status.MISSING, what)


def skipped(name: str, why: str) -> Finding:
    """Not done, though it could have been."""
    return Finding(name, Status.SKIPPED, why)
