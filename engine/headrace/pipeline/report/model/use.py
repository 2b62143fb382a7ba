"""What a report says about using the model: decisions, groups, weak slices, broken inputs, folds."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from headrace.pipeline.report.model.figures import Estimate
from headrace.pipeline.report.model.quality import Measure


@dataclass(frozen=True, slots=True)
class Decisions:
    """What follows where rows are acted on that score at least the threshold.

    Attributes:
        threshold: None: nobody is acted on.
        rule: how it was chosen, in words.
        asked: what the rule looks at: `profit` (a row), `precision`, ...
        curve: (threshold, what the rule looks at) on the rows of the choice, highest threshold first.
        figures: on the test rows.
    """

    threshold: float | None
    rule: str
    asked: str
    curve: tuple[tuple[float, float], ...]
    figures: tuple[tuple[str, Estimate], ...]


@dataclass(frozen=True, slots=True)
class GroupRate:
    """One group of a sensitive column: how many of its rows are acted on."""

    name: str
    rows: int
    rate: Estimate


@dataclass(frozen=True, slots=True)
class Fairness:
    """Decisions by the groups of one column.

    Attributes:
        ratio: lowest rate over highest, paired; None where fewer than two groups could be judged.
        four_fifths: the rule read off the ratio's interval.
    """

    column: str
    groups: tuple[GroupRate, ...]
    ratio: Estimate | None = None
    four_fifths: Literal["holds", "broken", "open"] = "open"
    insufficient: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class WeakSlice:
    """A slice nobody declared, where the model is significantly worse than elsewhere.

    Attributes:
        excess: mean loss inside minus mean loss outside.
        share: of the rows it was judged on.
    """

    name: str
    rows: int
    share: float
    excess: Estimate


@dataclass(frozen=True, slots=True)
class WeakSlices:
    """What the search for weak slices came to."""

    loss: str
    slices: tuple[WeakSlice, ...]
    judged: int
    rows: int


@dataclass(frozen=True, slots=True)
class Damage:
    """One way in which inputs may break, and how much worse the model is then, paired; positive is worse."""

    name: str
    kind: str
    drop: Estimate


@dataclass(frozen=True, slots=True)
class Robustness:
    """Broken inputs, worst first."""

    intact: float
    rows: int
    damages: tuple[Damage, ...]
    measure: Measure = field(default_factory=Measure)


@dataclass(frozen=True, slots=True)
class Folds:
    """Walk-forward validation: one figure a fold, oldest first."""

    values: tuple[float, ...]
    rows: tuple[int, ...]
    measure: Measure = field(default_factory=Measure)


@dataclass(frozen=True, slots=True)
class Effect:
    """What a feature does to the score.

    Attributes:
        mean_abs: mean size of its contribution to the raw score.
        direction: from -1 (more of it lowers the score) to 1 (raises it); None where neither can be said.
    """

    name: str
    mean_abs: float
    direction: float | None = None


@dataclass(frozen=True, slots=True)
class Effects:
    """Contributions (TreeSHAP) over a sample of test rows, largest first."""

    rows: int
    features: tuple[Effect, ...]


@dataclass(frozen=True, slots=True)
class DataPart:
    """A model trained on a part of the training rows, and how much worse it is than the whole one, paired."""

    name: str
    rows: int
    value: float
    shortfall: Estimate


@dataclass(frozen=True, slots=True)
class DataStudy:
    """What more rows would bring, and what each month is worth.

    Attributes:
        curve: parts of growing size, all rows last.
        months: training without each month; a negative shortfall is a model that is better without it.
        hints: in words.
    """

    curve: tuple[DataPart, ...]
    months: tuple[DataPart, ...]
    hints: tuple[str, ...]
    measure: Measure = field(default_factory=Measure)
