"""Metrics of several workers as one page.

Counters and histograms are summed. A worker that ended takes nothing with it: what it last reported stays in the sums,
else they would fall, and a scraper would take that for a restart and count everything twice. Gauges go by their
meaning, the process's own keep the worker they speak of.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from prometheus_client.metrics_core import Metric

SUMMED_GAUGES = frozenset({"headrace_queue_rows"})
SHARED_GAUGES = frozenset({"headrace_ready", "headrace_build_info", "headrace_version_info"})
"""Gauges that say the same in every worker; of different values the largest is shown."""

Families = list[dict[str, Any]]
"""Metrics as JSON: name, type, help, samples of (name, labels, value)."""


def to_families(metrics: Iterable[Metric]) -> Families:
    """Write metrics down for another process."""
    return [
        {
            "name": metric.name,
            "type": metric.type,
            "help": metric.documentation,
            "samples": [[sample.name, dict(sample.labels), sample.value] for sample in metric.samples],
        }
        for metric in metrics
    ]


def sums(families: Families) -> Families:
    """Pick what stays of a worker that ended: its counters and histograms, without those of its process."""
    return [family for family in families if _is_sum(family)]


def add_up(parts: Iterable[Families]) -> Families:
    """Add up what ended workers left, so that it does not grow with every one of them."""
    return to_families(merge({str(number): part for number, part in enumerate(parts)}))


def merge(workers: Mapping[str, Families], left: Families = []) -> Iterator[Metric]:  # noqa: B006  never written to
    """Make one page.

    Args:
        workers: what each worker reports now, by its name.
        left: sums of workers that ended.
    """
    merged: dict[str, tuple[dict[str, Any], dict[tuple[str, tuple[tuple[str, str], ...]], float]]] = {}
    for worker, families in [*workers.items(), ("", left)]:
        for family in families:
            _, values = merged.setdefault(family["name"], (family, {}))
            for name, labels, value in family["samples"]:
                own = labels if _is_shared(family) else {**labels, "worker": worker}
                key = (name, tuple(own.items()))
                together = max if family["name"] in SHARED_GAUGES else _plus
                values[key] = together(values[key], value) if key in values else value
    for family, values in merged.values():
        metric = Metric(family["name"], family["help"], family["type"])
        for (name, labels_of), value in values.items():
            metric.add_sample(name, dict(labels_of), value)
        yield metric


def _plus(left: float, right: float) -> float:
    return left + right


def _is_sum(family: dict[str, Any]) -> bool:
    return family["type"] in {"counter", "histogram"} and not family["name"].startswith("process_")


def _is_shared(family: dict[str, Any]) -> bool:
    return _is_sum(family) or family["name"] in SUMMED_GAUGES | SHARED_GAUGES
