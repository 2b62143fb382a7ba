"""Figures of each task: what is measured of predictions, and how each measure varies over bootstrap replicates."""

from headrace.evaluation.measures.measures import (
    HIGHER_IS_BETTER,
    Measured,
    higher_is_better,
    measure,
    metrics_of,
    value_of,
)

__all__ = ["HIGHER_IS_BETTER", "Measured", "higher_is_better", "measure", "metrics_of", "value_of"]
