"""What a report says about the export and the running server."""

from __future__ import annotations

from dataclasses import dataclass, field

from headrace.pipeline.report.model.figures import Histogram
from headrace.pipeline.report.model.quality import Measure

TOLERANCE = 2e-6  # of a probability: what float32 sums in another order may differ by


@dataclass(frozen=True, slots=True)
class ExportCheck:
    """The exported graph against the trainer's own prediction, row by row."""

    rows: int
    trees: int
    leaf_mismatches: int
    max_abs_diff: float


@dataclass(frozen=True, slots=True)
class ServedCheck:
    """The server's answers against the offline scores of the same rows.

    Attributes:
        max_abs_diff: of numbers above 1 relative to them.
        figure_offline, figure_served: the figure of the answers, in `measure`.
        tolerance: the largest difference that counts as equal (float32 sums).
    """

    rows: int
    max_abs_diff: float
    figure_offline: float
    figure_served: float
    tolerance: float = TOLERANCE
    measure: Measure = field(default_factory=Measure)


@dataclass(frozen=True, slots=True)
class Service:
    """The server as the client met it.

    Attributes:
        latency_ms: time from sending a request to holding its answer, over all requests.
        fallback: why a better device was not used; empty where it was.
    """

    requests: int
    rows: int
    p50_ms: float
    p99_ms: float
    latency_ms: Histogram
    device: str = "cpu"
    fallback: str = ""
    ready_s: float | None = None
    rows_per_s: float | None = None
