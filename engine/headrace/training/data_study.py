"""What more data would bring, and which of the data at hand helps: models on parts of the training rows.

Each model is judged on the same test rows as the whole one, so differences are paired. Parts are whole blocks (days),
drawn at random and nested: the mix of seasons stays, and the question is what more rows of the same kind would bring.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from headrace.core.progress import Progress, SilentProgress
from headrace.evaluation import Figure, Sample
from headrace.evaluation.evaluation import direction
from headrace.evaluation.measures import measure
from headrace.evaluation.power_law import Extrapolation, extrapolate
from headrace.evaluation.resampling import Resamples
from headrace.training.dataset import TrainingData
from headrace.training.settings import TrainingSettings
from headrace.training.split import Mask
from headrace.training.trained import TrainedModel
from headrace.training.trainer import train

SHARES = (0.1, 0.2, 0.4, 0.7)
CONFIDENCE, REPLICATES = 0.95, 500

Numbers = npt.NDArray[np.float64]


@dataclass(frozen=True)
class StudyPoint:
    """One model on a part of the training rows.

    Attributes:
        name: the part, in words.
        rows: its training rows.
        value: the metric on the test rows.
        shortfall: how much worse that is than with all rows, paired; negative where the part alone is better.
    """

    name: str
    rows: int
    value: float
    shortfall: Figure

    def to_json(self) -> dict[str, Any]:
        """Encode as JSON data."""
        return {"name": self.name, "rows": self.rows, "value": self.value, "shortfall": self.shortfall.to_json()}


@dataclass(frozen=True)
class LearningCurve:
    """The metric against the number of training rows, all rows last, and where that leads."""

    metric: str
    points: tuple[StudyPoint, ...]
    more: Extrapolation

    def to_json(self) -> dict[str, Any]:
        """Encode as JSON data."""
        points = [point.to_json() for point in self.points]
        return {"metric": self.metric, "points": points, "more": self.more.to_json()}


@dataclass(frozen=True)
class Study:
    """What all models of a study share.

    Attributes:
        data: matrix, labels, split.
        settings: of the whole model.
        whole: the model trained on all rows.
        sample: the test rows with the whole model's predictions.
        test: float32[n_test, F], their features.
        metric: what is studied; not `ece`.
    """

    data: TrainingData
    settings: TrainingSettings
    whole: TrainedModel
    sample: Sample
    test: npt.NDArray[np.float32]
    metric: str

    def draws(self) -> Resamples:
        """The draws that all differences share."""
        return Resamples.draw(self.sample.blocks, replicates=REPLICATES, seed=0)

    def measured(self, predictions: Numbers, draws: Resamples) -> tuple[float, Numbers]:
        """The metric and its replicates."""
        sample = self.sample
        thrifty = self.metric != "average_precision"
        found = measure(sample.question, sample.labels, predictions, draws, sample.queries, thrifty=thrifty)
        return found.values[self.metric], found.replicates[self.metric]

    def without(self, rows: Mask) -> Numbers:
        """Predictions of a model that has not seen some training rows."""
        split = replace(self.data.split, train=self.data.split.train & ~rows)
        trained = train(self.data.with_split(split), self.settings)
        return replace(trained, calibrator=self.whole.calibrator).predict(self.test)


def learning_curve(
    study: Study, blocks: npt.NDArray[np.int64], *, shares: Sequence[float] = SHARES, progress: Progress | None = None
) -> LearningCurve:
    """Train on growing parts of the training rows; about 1.4 times the work of one training.

    Args:
        study: data and the whole model.
        blocks: int64[n], the block of every row of the data.
        shares: of the training blocks, rising, below 1.
        progress: a step of one count a share.
    """
    draws, training = study.draws(), study.data.split.train
    ids = np.random.default_rng(study.settings.seed).permutation(np.unique(blocks[training]))
    value, whole = study.measured(study.sample.scores, draws)
    sign = direction(study.metric)
    points, series = [], []
    with (progress or SilentProgress()).step("learning curve", total=len(shares)) as step:
        for share in shares:
            kept = np.isin(blocks, ids[: max(1, round(share * ids.size))])
            found, own = study.measured(study.without(~kept), draws)
            figure = Figure.of_replicates(
                sign * (value - found), sign * (whole - own), CONFIDENCE, blocks=draws.n_blocks
            )
            points.append(StudyPoint(f"{share:.0%} of days", int((training & kept).sum()), found, figure))
            series.append(sign * own)
            step.advance()
    nothing = Figure(0.0, 0.0, 0.0)
    points.append(StudyPoint("all rows", int(training.sum()), value, nothing))
    rows = np.array([point.rows for point in points], np.float64)
    values = sign * np.array([point.value for point in points])
    more = extrapolate(rows, values, np.stack([*series, sign * whole]), confidence=CONFIDENCE)
    return LearningCurve(study.metric, tuple(points), more)


def leave_out(
    study: Study, groups: npt.NDArray[np.str_], *, progress: Progress | None = None
) -> tuple[StudyPoint, ...]:
    """Train without each group of training rows (a month, a source): what is lost without it, most missed first.

    A group whose shortfall lies below 0 for sure is one the model is better without.

    Args:
        study: data and the whole model.
        groups: str[n], the group of every row of the data.
        progress: a step of one count a group.
    """
    draws, training = study.draws(), study.data.split.train
    value, whole = study.measured(study.sample.scores, draws)
    sign = direction(study.metric)
    names = np.unique(groups[training]).tolist()
    points = []
    with (progress or SilentProgress()).step("data value", total=len(names)) as step:
        for name in names if len(names) > 1 else []:
            step.note(str(name))
            found, own = study.measured(study.without(groups == name), draws)
            figure = Figure.of_replicates(
                sign * (value - found), sign * (whole - own), CONFIDENCE, blocks=draws.n_blocks
            )
            points.append(StudyPoint(str(name), int((training & (groups == name)).sum()), found, figure))
            step.advance()
    return tuple(sorted(points, key=lambda one: (-one.shortfall.value, one.name)))
