"""Two models' decisions at their thresholds on the same rows: which is right more often, by the test that fits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from headrace.evaluation.assessment import EvaluationSettings
from headrace.evaluation.figures import Figure
from headrace.evaluation.metrics import Labels
from headrace.evaluation.paired.mcnemar import mcnemar
from headrace.evaluation.paired.permutation import sign_flip_p_value
from headrace.evaluation.resampling import Resamples


@dataclass(frozen=True)
class DecisionContest:
    """Decisions compared.

    Attributes:
        test: McNemar's, or the sign flip of whole blocks.
        why: why this one.
        only_challenger_right: rows that the challenger alone decided rightly.
        only_champion_right: the other way round.
        improvement: share of rows decided rightly, challenger minus champion, with its block-bootstrap interval.
        p_value: two-sided, of both being right equally often.
    """

    test: str
    why: str
    only_challenger_right: int
    only_champion_right: int
    improvement: Figure
    p_value: float

    def to_json(self) -> dict[str, Any]:
        """Encode as JSON data."""
        return {
            "test": self.test,
            "why": self.why,
            "only_challenger_right": self.only_challenger_right,
            "only_champion_right": self.only_champion_right,
            "improvement": self.improvement.to_json(),
            "p_value": self.p_value,
        }


def contest_decisions(
    labels: Labels,
    challenger: Labels,
    champion: Labels,
    blocks: npt.NDArray[np.int64],
    settings: EvaluationSettings,
) -> DecisionContest:
    """Compare decisions.

    McNemar's test takes rows as independent and is used where each is a block of its own. Else whole blocks change
    sides: exact for few blocks, and right where the rows of a block depend on each other.

    Args:
        labels: bool[n], what was right.
        challenger: bool[n], its decisions.
        champion: bool[n], its decisions.
        blocks: int64[n].
        settings: draws and confidence.
    """
    found = mcnemar(labels, challenger, champion)
    gained = (challenger == labels).astype(np.float64) - (champion == labels)
    drawn = Resamples.draw(blocks, replicates=settings.replicates, seed=settings.seed)
    figure = Figure.of_replicates(float(gained.mean()), drawn.means(gained), settings.confidence, blocks=drawn.n_blocks)
    if np.unique(blocks).size == blocks.size:
        test, p_value = f"McNemar ({found.method})", found.p_value
        why = "each row is a block of its own, so rows are taken as independent"
    else:
        test, p_value = "sign flip of blocks", sign_flip_p_value(gained, blocks, seed=settings.seed)
        why = "rows of one block depend on each other, which McNemar's test does not allow for"
    return DecisionContest(test, why, found.only_first_right, found.only_second_right, figure, p_value)
