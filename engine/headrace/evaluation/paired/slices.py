"""Two models group by group: nobody should pay for an improvement of the whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from headrace.core.hashing import finite_or_none
from headrace.evaluation.assessment import EvaluationSettings
from headrace.evaluation.figures import Figure
from headrace.evaluation.measures import higher_is_better, measure
from headrace.evaluation.metrics import Scores
from headrace.evaluation.paired.corrections import adjusted_p_values
from headrace.evaluation.resampling import Resamples
from headrace.evaluation.slices import Judged, group_rows


@dataclass(frozen=True)
class SliceContest:
    """The challenger against the champion in one group.

    Attributes:
        column: what rows are grouped by.
        group: the group.
        rows: its rows.
        improvement: how much better the challenger is there.
        p_inferior: of "it is not worse there", adjusted by Holm over all groups compared.
    """

    column: str
    group: str
    rows: int
    improvement: Figure
    p_inferior: float

    def inferior(self, alpha: float, margin: float) -> bool:
        """Whether the challenger is significantly worse, by an amount that the margin does not cover for sure."""
        return self.p_inferior <= alpha and not self.improvement.low > -margin

    def to_json(self) -> dict[str, Any]:
        """Encode as JSON data."""
        return {
            "column": self.column,
            "group": self.group,
            "rows": self.rows,
            "improvement": self.improvement.to_json(),
            "p_inferior": finite_or_none(self.p_inferior),
        }


def contest_slices(
    challenger: Judged,
    champion: Scores,
    groups: Mapping[str, npt.NDArray[Any]],
    metric: str,
    settings: EvaluationSettings,
) -> tuple[SliceContest, ...]:
    """Compare two models in each group that has enough rows, one family of tests over all columns.

    Args:
        challenger: the rows with the challenger's scores.
        champion: float64[n], the champion's scores of the same rows.
        groups: column -> [n].
        metric: what decides; one that slices are judged by.
        settings: draws, smallest group.
    """
    resamples = Resamples.draw(challenger.blocks, replicates=settings.replicates, seed=settings.seed)
    sign = 1.0 if higher_is_better(metric) else -1.0
    found: list[tuple[str, str, int, Figure]] = []
    for column, values in groups.items():
        for name, rows in group_rows(challenger, values, settings.min_slice_rows)[0]:
            drawn = resamples.subset(rows)
            queries = challenger.queries[rows] if challenger.queries is not None else None
            own, rival = (
                measure(challenger.question, challenger.labels[rows], scores[rows], drawn, queries, thrifty=True)
                for scores in (challenger.scores, champion)
            )
            figure = Figure.of_replicates(
                sign * (own.values[metric] - rival.values[metric]),
                sign * (own.replicates[metric] - rival.replicates[metric]),
                settings.confidence,
                blocks=drawn.n_blocks,
            )
            found.append((column, name, int(np.size(rows)), figure))
    adjusted = adjusted_p_values([figure.p_at_least(0.0) for *_, figure in found])
    return tuple(SliceContest(*one, float(p_value)) for one, p_value in zip(found, adjusted, strict=True))
