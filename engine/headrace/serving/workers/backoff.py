"""How long to wait before a worker is started again; pure."""

from __future__ import annotations

FIRST_S = 0.25
LAST_S = 30.0
STEADY_S = 1.0
"""A worker that served for so long did not fail because it was started: its end counts alone."""

FREE = 2
"""Ends in a row that cost no wait."""


def restarts_in_a_row(before: int, served_s: float) -> int:
    """Count ends that came soon after the start.

    Args:
        before: the count so far.
        served_s: how long the worker that ended had served; 0 where it never did.
    """
    return 0 if served_s >= STEADY_S else before + 1


def delay_s(in_a_row: int) -> float:
    """Seconds to wait: none after the first two ends, then 0.25, 0.5, 1, ..., at most 30."""
    return 0.0 if in_a_row <= FREE else min(LAST_S, FIRST_S * 2.0 ** min(in_a_row - FREE - 1, 10))
