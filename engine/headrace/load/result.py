"""What a run found, in the units people read."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

from headrace.load.histogram import Histogram
from headrace.load.observations import STATUS_NAMES, Interval, Observations
from headrace.load.plan import LoadPlan

QUANTILES = (0.5, 0.9, 0.95, 0.99, 0.999, 0.9999)
_SATURATED_CPU = 0.95
_LATE_MS = 1.0


@dataclass(frozen=True)
class Latency:
    """Milliseconds of the answers of one kind; NaN where there are none."""

    count: int
    mean_ms: float
    p50_ms: float
    p90_ms: float
    p95_ms: float
    p99_ms: float
    p99_9_ms: float
    p99_99_ms: float
    max_ms: float

    @classmethod
    def of(cls, histogram: Histogram) -> Latency:
        """Read the percentiles off a histogram."""
        p50, p90, p95, p99, p99_9, p99_99 = (histogram.quantile_ns(share) / 1e6 for share in QUANTILES)
        most = histogram.max_ns / 1e6 if histogram.total else math.nan
        return cls(histogram.total, histogram.mean_ns / 1e6, p50, p90, p95, p99, p99_9, p99_99, most)


@dataclass(frozen=True)
class StatusResult:
    """Answers of one gRPC status: `response` from when requests were due, `service` from when they were sent."""

    answers: int
    rate: float
    response: Latency
    service: Latency


@dataclass(frozen=True)
class Point:
    """A piece of the time of the run; seconds are its end, from the start of the run."""

    seconds: float
    rate: float
    errors: dict[str, float]
    in_flight: int
    p50_ms: float
    p99_ms: float
    max_ms: float


@dataclass(frozen=True)
class LoadResult:
    """A run, judged.

    Attributes:
        plan: what was asked for.
        observed: what was seen, uncommented.
        offered_rate: requests a second that were due; NaN in a closed loop.
        rate: OK answers a second.
        statuses: by gRPC status name.
        errors: answers to measured requests that were not OK, and requests without an answer.
        series: over time, warm-up included.
        warnings: why the figures may mean less than they say.
    """

    plan: LoadPlan
    observed: Observations
    offered_rate: float
    rate: float
    statuses: dict[str, StatusResult]
    errors: int
    series: tuple[Point, ...]
    warnings: tuple[str, ...]

    @property
    def ok(self) -> StatusResult:
        """The answers that were OK."""
        return self.statuses["OK"]

    def to_json(self) -> dict[str, Any]:
        """Plain dictionaries and numbers; what is not a number is None."""
        plan, seen = self.plan, self.observed
        document = {
            "target": plan.endpoint.address,
            "model": plan.content.model,
            "rows_per_request": plan.content.rows,
            "loop": "open" if plan.open_loop else "closed",
            "in_flight": plan.in_flight,
            "connections": plan.connections,
            "timeout_ms": plan.timeout_ms,
            "warmup_s": plan.warmup_s,
            "seconds": seen.window_s,
            "offered_rate": self.offered_rate,
            "rate": self.rate,
            "rows_rate": self.rate * plan.content.rows,
            "errors": self.errors,
            "unanswered": seen.unanswered,
            "unsent": seen.unsent,
            "reconnects": seen.reconnects,
            "latency": asdict(self.ok.response),
            "statuses": {name: asdict(status) for name, status in self.statuses.items()},
            "messages": [
                {"status": STATUS_NAMES[status], "message": text, "count": count}
                for status, text, count in seen.messages
            ],
            "check": asdict(seen.check) if plan.content.expected else None,
            "generator": {
                "engine": seen.engine,
                "cpu_share": seen.effort.cpu_share,
                "delayed_share": seen.effort.delayed_share,
                "lag": asdict(Latency.of(seen.effort.lag)),
            },
            "warnings": list(self.warnings),
            "series": [asdict(point) for point in self.series],
        }
        cleaned: dict[str, Any] = _without_nan(document)
        return cleaned


def judge(plan: LoadPlan, seen: Observations) -> LoadResult:
    """Turn what was seen into figures and warnings."""
    empty = Histogram.of_pairs([], 0)
    statuses = {"OK": StatusResult(0, 0.0, Latency.of(empty), Latency.of(empty))}
    for number, outcome in sorted(seen.outcomes.items()):
        statuses[STATUS_NAMES[number]] = StatusResult(
            outcome.answers,
            outcome.in_window / seen.window_s,
            Latency.of(outcome.response),
            Latency.of(outcome.service),
        )
    failed = sum(status.answers for name, status in statuses.items() if name != "OK")
    return LoadResult(
        plan=plan,
        observed=seen,
        offered_rate=plan.offered_rate,
        rate=statuses["OK"].rate,
        statuses=statuses,
        errors=failed + seen.unanswered,
        series=tuple(
            describe_interval(interval, (number + 1) * plan.interval_s, plan.interval_s)
            for number, interval in enumerate(seen.intervals)
            if (number + 1) * plan.interval_s <= plan.warmup_s + seen.window_s + plan.interval_s / 2
        ),
        warnings=tuple(_warnings(plan, seen)),
    )


def describe_interval(interval: Interval, seconds: float, length_s: float) -> Point:
    """Rates and percentiles of a piece of `length_s` seconds that ended `seconds` after the start."""
    latencies = interval.latencies
    errors = {
        STATUS_NAMES[status]: count / length_s for status, count in enumerate(interval.answers) if status and count
    }
    p50, p99 = (latencies.quantile_ns(share) / 1e6 for share in (0.5, 0.99))
    most = latencies.max_ns / 1e6 if latencies.total else math.nan
    return Point(seconds, interval.answers[0] / length_s, errors, interval.in_flight, p50, p99, most)


def _warnings(plan: LoadPlan, seen: Observations) -> list[str]:
    found = []
    if seen.intervals and not any(outcome.answers for outcome in seen.outcomes.values()):
        found.append(f"nothing was measured: all answers came within the warm-up of {plan.warmup_s:g} s, or none did")
    effort, lag_ms = seen.effort, seen.effort.lag.quantile_ns(0.99) / 1e6
    if plan.open_loop and lag_ms > _LATE_MS:
        found.append(
            f"the generator kept its schedule badly: one request in a hundred left {lag_ms:.1f} ms late or more, which "
            "is in the latencies; give it a CPU of its own, more --threads, or a lower rate"
        )
    if not plan.open_loop and effort.cpu_share > _SATURATED_CPU:
        found.append(
            f"the generator was busy {effort.cpu_share:.0%} of the time: the server may be faster than this; use more "
            "--threads"
        )
    if effort.delayed_share > 0.1:
        found.append(
            f"the generator waited for a CPU {effort.delayed_share:.0%} of the time: others share it, and the figures "
            "are partly theirs"
        )
    if seen.unsent:
        found.append(f"{seen.unsent:,} requests were due and never sent: --in-flight {plan.in_flight} were unanswered")
    if seen.unanswered:
        found.append(f"{seen.unanswered:,} requests had no answer {plan.drain_s:g} s after the end")
    if seen.engine != "native":
        found.append("the portable generator was used: it may be slower than the server")
    return found


def _without_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nan(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
