"""Run a plan on the native generator."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any
from urllib.parse import unquote_to_bytes

import numpy as np

from headrace.core.errors import UnavailableError
from headrace.load.bodies import Bodies
from headrace.load.histogram import Histogram
from headrace.load.observations import Check, Effort, Interval, Observations, Outcome
from headrace.load.plan import LoadPlan
from headrace.wire.methods import METHODS

OnInterval = Callable[[Interval], None]
_LOOK_S = 0.2


def native_generator() -> ModuleType | None:
    """The extension, or None where it was not built."""
    try:
        from headrace.load import _load
    except ImportError:
        return None
    return _load


def observe_native(extension: Any, plan: LoadPlan, bodies: Bodies, on_interval: OnInterval) -> Observations:
    """Drive the server; Ctrl-C ends the run early and what was seen until then is returned.

    Raises:
        UnavailableError: the server cannot be reached.
    """
    generator = extension.Generator(_settings(extension, plan, bodies))
    failure = generator.start()
    if failure:
        raise UnavailableError(f"no server answers at {plan.endpoint.address}: {failure}")
    intervals: list[Interval] = []
    over = False
    while not over:
        try:
            over = generator.wait(_LOOK_S)
            for raw in generator.intervals(len(intervals)):
                intervals.append(_interval(raw))
                on_interval(intervals[-1])
        except KeyboardInterrupt:
            over = False  # what is in flight is still answered
            generator.stop()
    return _observations(generator.result(), plan, intervals)


def _settings(extension: Any, plan: LoadPlan, bodies: Bodies) -> Any:
    settings = extension.Settings()
    endpoint = plan.endpoint
    settings.host, settings.port, settings.authority = endpoint.host, endpoint.port, endpoint.address
    settings.path = METHODS["ModelInfer"].path
    settings.metadata = [(name.lower(), value) for name, value in endpoint.metadata]
    settings.tls = endpoint.tls
    settings.ca_file = str(endpoint.ca or "")
    settings.certificate_file = str(endpoint.certificate or "")
    settings.key_file = str(endpoint.key or "")
    settings.server_name = endpoint.server_name or endpoint.host
    settings.value_bytes, settings.tolerance = bodies.value_bytes, plan.content.tolerance
    settings.streams, settings.max_requests, settings.max_samples = plan.streams, plan.requests, plan.samples
    for name in ("connections", "threads", "poisson", "seed", "timeout_ms"):
        setattr(settings, name, getattr(plan, name))
    for name in ("warmup_s", "duration_s", "drain_s", "interval_s"):
        setattr(settings, name, getattr(plan, name))
    settings.set_bodies(bodies.framed)
    settings.set_expected(bodies.expected)
    settings.set_stages([(stage.seconds, stage.from_rate, stage.to_rate) for stage in plan.stages])
    return settings


def _interval(raw: tuple[list[int], int, int, int, list[tuple[int, int]]]) -> Interval:
    answers, sent, in_flight, max_ns, latencies = raw
    return Interval(tuple(answers), sent, in_flight, Histogram.of_pairs(latencies, max_ns))


def _observations(result: dict[str, Any], plan: LoadPlan, intervals: list[Interval]) -> Observations:
    outcomes = {
        status: Outcome(
            answers, in_window, Histogram.of_pairs(response, slowest), Histogram.of_pairs(service, slowest_service)
        )
        for status, (answers, in_window, response, slowest, service, slowest_service) in result["outcomes"].items()
    }
    walls, cpus, delays = np.array(result["usage"], np.float64).T
    sending_s = walls.max() / 1e9 - plan.warmup_s
    by_count = plan.requests > 0 and sending_s < plan.duration_s
    window_s = result["last_answer_ns"] / 1e9 if by_count else min(plan.duration_s, max(sending_s, 1e-9))
    return Observations(
        engine="native",
        window_s=window_s,
        outcomes=outcomes,
        messages=tuple(
            (status, unquote_to_bytes(text).decode(errors="replace"), count)
            for status, text, count in result["messages"]
        ),
        intervals=tuple(intervals),
        unanswered=result["unanswered"],
        unsent=result["unsent"],
        reconnects=result["reconnects"],
        check=Check(*(result[key] for key in ("checked", "mismatches", "worst_difference", "first_mismatch"))),
        effort=Effort(float((cpus / walls).max()), float((delays / walls).max()), Histogram.of_pairs(*result["lag"])),
        samples=np.array(result["samples"], np.int64).reshape(-1, 4),
    )
