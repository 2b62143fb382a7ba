"""Whether a candidate should go on: a pure policy over counts, safe to ask as often as one likes.

A fixed-sample test that is looked at every minute rejects good candidates sooner or later. The tests here are
e-processes: at any stopping time the probability of a false verdict is at most alpha, however often one looked.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum

_GRID = 24  # alternatives mixed over; their number costs log(_GRID) of evidence at most


class ActionKind(Enum):
    """What an analysis may ask for."""

    ADVANCE = "advance"
    PROMOTE = "promote"
    PAUSE = "pause"
    ROLL_BACK = "roll_back"


@dataclass(frozen=True)
class Action:
    """One step of a release; `share` is set for ADVANCE."""

    kind: ActionKind
    reason: str
    share: float | None = None


@dataclass(frozen=True)
class CandidateCounts:
    """What the candidate did since it took its present share.

    Attributes:
        requests: answered or failed.
        errors: of the server's making (invalid requests are the caller's).
        slow: answered after the latency limit; None: latency was not measured.
        drifted: the scores drift against the champion's on the same window; None: not judged.
    """

    requests: int
    errors: int
    slow: int | None = None
    drifted: bool | None = None


@dataclass(frozen=True)
class AnalysisSnapshot:
    """What is known at the moment of the decision.

    Attributes:
        share: the candidate's present share.
        counts: None when nothing could be read, which is a failed check.
        failed_checks: in a row before this one.
        waited_s: since the candidate took its present share.
    """

    share: float
    counts: CandidateCounts | None
    failed_checks: int = 0
    waited_s: float = 0.0


@dataclass(frozen=True)
class AnalysisPolicy:
    """When a candidate goes on, waits, or is withdrawn.

    Attributes:
        steps: shares, ascending; after the last the candidate is promoted.
        max_error_rate: at most this part of the requests fails.
        max_slow_rate: at most this part is slower than the latency limit (0.01: the limit holds at p99).
        alpha: probability of a false verdict on one step.
        min_requests: no verdict on fewer.
        max_failed_checks: as many in a row withdraw the candidate.
        patience_s: a step without a verdict pauses after this long.
    """

    steps: tuple[float, ...] = (0.01, 0.05, 0.25, 0.50, 1.0)
    max_error_rate: float = 0.01
    max_slow_rate: float = 0.01
    alpha: float = 0.05
    min_requests: int = 200
    max_failed_checks: int = 3
    patience_s: float = 3_600.0

    def check(self, snapshot: AnalysisSnapshot) -> str | None:
        """Say what fails in this snapshot, or None: the caller counts failures in a row."""
        counts = snapshot.counts
        if counts is None or counts.slow is None:
            return "measurements are missing"
        if counts.requests < self.min_requests:
            return None
        for what, hits, limit in (
            ("requests failed", counts.errors, self.max_error_rate),
            ("requests were slow", counts.slow, self.max_slow_rate),
        ):
            if evidence_above(hits, counts.requests, limit) >= 1.0 / self.alpha:
                return f"{hits} of {counts.requests} {what}; allowed {limit:.2%}"
        return "its scores drift from the champion's" if counts.drifted else None

    def decide(self, snapshot: AnalysisSnapshot) -> Action | None:
        """Give at most one action; None: wait for more.

        The same snapshot gives the same action.
        """
        failure = self.check(snapshot)
        if failure is not None:
            if snapshot.failed_checks + 1 >= self.max_failed_checks:
                return Action(ActionKind.ROLL_BACK, f"{self.max_failed_checks} failed checks in a row: {failure}")
            return None
        counts = snapshot.counts
        assert counts is not None
        assert counts.slow is not None
        enough = 1.0 / self.alpha
        proven = counts.requests >= self.min_requests and all(
            evidence_below(hits, counts.requests, limit) >= enough
            for hits, limit in ((counts.errors, self.max_error_rate), (counts.slow, self.max_slow_rate))
        )
        if proven:
            return self._advance(snapshot.share, counts.requests)
        if snapshot.waited_s >= self.patience_s:
            return Action(
                ActionKind.PAUSE, f"no verdict after {snapshot.waited_s:.0f} s and {counts.requests} requests"
            )
        return None

    def _advance(self, share: float, requests: int) -> Action:
        reason = f"errors and latency are within limits after {requests} requests"
        following = next((step for step in self.steps if step > share), None)
        if following is None:
            return Action(ActionKind.PROMOTE, reason)
        return Action(ActionKind.ADVANCE, reason, share=following)


def evidence_above(hits: int, trials: int, limit: float) -> float:
    """E-value against "the rate is at most `limit`": at least 1 / alpha with probability at most alpha, at any time.

    The mean of likelihood ratios of rates above the limit; each is a supermartingale for every rate at or below it.
    Inf where it overflows; 1 without trials. Reference: Ramdas et al., Game-theoretic statistics (2023), section 3.
    """
    odds = limit / (1.0 - limit)
    rates = [odds * 2.0 ** (step / 2.0) for step in range(1, _GRID + 1)]
    return _mixture(hits, trials, limit, [odd / (1.0 + odd) for odd in rates])


def evidence_below(hits: int, trials: int, limit: float) -> float:
    """E-value against "the rate is at least `limit`", as `evidence_above`.

    To prove less than 1 % at alpha 0.05 takes 320 trials without a hit.
    """
    odds = limit / (1.0 - limit)
    rates = [odds * 2.0 ** (-step / 2.0) for step in range(1, _GRID + 1)]
    return _mixture(hits, trials, limit, [odd / (1.0 + odd) for odd in rates])


def _mixture(hits: int, trials: int, limit: float, rates: list[float]) -> float:
    logs = [hits * math.log(rate / limit) + (trials - hits) * math.log((1.0 - rate) / (1.0 - limit)) for rate in rates]
    top = max(logs)
    total = top + math.log(sum(math.exp(value - top) for value in logs) / len(logs))
    return math.exp(total) if total < 700.0 else math.inf
