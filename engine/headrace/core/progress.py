"""Progress as something passed in: stages report, the command line draws, a log file stays clean."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol


class Step(Protocol):
    """One running piece of work."""

    def advance(self, amount: float = 1) -> None:
        """Count work that is done, in the step's unit."""
        ...

    def note(self, text: str) -> None:
        """Replace the short text behind the step (a metric, a file name)."""
        ...


class Progress(Protocol):
    """Where a stage reports to."""

    def step(self, label: str, total: float | None = None) -> AbstractContextManager[Step]:
        """Open a step; `total` in the step's unit, or None where it is not known."""
        ...


class SilentStep:
    """Reports to nobody."""

    def advance(self, amount: float = 1) -> None:
        """Drop the count."""

    def note(self, text: str) -> None:
        """Drop the text."""


class SilentProgress:
    """Reports to nobody: the default of every library call."""

    @contextmanager
    def step(self, label: str, total: float | None = None) -> Iterator[Step]:  # noqa: ARG002
        """Open a step that reports to nobody."""
        yield SilentStep()
