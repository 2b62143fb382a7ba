"""From when on a difference from the reference counts."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class AnomalySettings:
    """Thresholds. A difference counts when chance does not explain it *and* it is large enough to matter.

    Attributes:
        alpha: chance that a table drawn from the reference raises any finding at all, over all columns and tests
            together: Holm's correction holds it for any dependence between columns.
        wasserstein: numeric columns, in reference standard deviations.
        psi: numeric columns, on the reference's bins.
        moved_share: categories: part of the rows that would have to change value (total variation distance).
        null_share: difference of the shares of missing values.
        correlation: difference of rank correlations between two numeric columns.
        volume_factor: a period has this many times fewer or more rows than the reference's, beyond what its periods do.
        least_rows: a table with fewer rows says nothing about distributions.
        sample_rows: distributions are judged on at most this many rows, drawn without replacement with a fixed seed.
    """

    alpha: float = 0.01
    wasserstein: float = 0.1
    psi: float = 0.1
    moved_share: float = 0.05
    null_share: float = 0.02
    correlation: float = 0.2
    volume_factor: float = 2.0
    least_rows: int = 100
    sample_rows: int = 50_000

    def to_json(self) -> dict[str, Any]:
        """JSON data."""
        return asdict(self)
