"""A model as a project file declares it: what it predicts, from which features, judged how."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from headrace.core.errors import DefinitionError
from headrace.evaluation.gates import AtLeast, AtMost, Gate, Improves, MaxGap, gate_json
from headrace.features import Expression, FeatureSet
from headrace.training.settings import LIGHTGBM_METRICS, TrainingSettings
from headrace.training.split import TimeSplit

_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,63}")
_GATES = (AtLeast, AtMost, MaxGap, Improves)


@dataclass(frozen=True, eq=False)  # == on a target builds an expression
class Model:
    """A binary model.

    Attributes:
        name: the name it is registered under.
        features: the FeatureSet it reads.
        target: a comparison that gives a bool for each spine row, such as `hr.column("arr_delay") > 15`; rows where it
            is null have no label and are neither trained on nor judged.
        split: which rows train, validate, test.
        metric: what early stopping watches: `auc`, `log_loss` or `average_precision`.
        gates: what the evaluation must show before the model is packaged.
        params: LightGBM parameters.
        rounds: most trees.
        early_stopping_rounds: stop after so many rounds without improvement; 0 never stops.
        slice_by: spine columns whose groups are judged one by one; columns of `MaxGap` gates are added.
        naive_by: spine columns whose historical rate is the naive baseline.
        seed: of every random draw.
    """

    name: str
    features: FeatureSet
    target: Expression
    split: TimeSplit
    metric: str = "auc"
    gates: Sequence[Gate] = ()
    params: Mapping[str, Any] = field(default_factory=dict)
    rounds: int = 1_000
    early_stopping_rounds: int = 50
    slice_by: Sequence[str] = ()
    naive_by: Sequence[str] = ()
    seed: int = 0

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise DefinitionError(
                f"model name '{self.name}' is not allowed: use 1 to 64 of a-z, 0-9, '_', '.', '-', "
                "starting with a letter or digit"
            )
        if self.metric not in LIGHTGBM_METRICS:
            raise DefinitionError(
                f"model '{self.name}': no metric '{self.metric}'; known: {', '.join(LIGHTGBM_METRICS)}"
            )
        if not isinstance(self.features, FeatureSet):
            raise DefinitionError(f"model '{self.name}': features must be a FeatureSet, not {self.features!r}")
        if not isinstance(self.target, Expression):
            raise DefinitionError(
                f"model '{self.name}': target must be a condition on columns, not {self.target!r}",
                hint='compare a column: target=hr.column("arr_delay") > 15',
            )
        for gate in self.gates:
            if not isinstance(gate, _GATES):
                raise DefinitionError(
                    f"model '{self.name}': {gate!r} is no gate; known: {', '.join(one.__name__ for one in _GATES)}"
                )
        self.settings(threads=1)

    @property
    def slice_columns(self) -> tuple[str, ...]:
        """Columns to slice the evaluation by: those declared and those the gates need."""
        needed = [gate.by for gate in self.gates if isinstance(gate, MaxGap)]
        return tuple(dict.fromkeys([*self.slice_by, *needed]))

    def settings(self, *, threads: int) -> TrainingSettings:
        """The training settings this definition asks for.

        Raises:
            DefinitionError: a parameter is not allowed.
        """
        return TrainingSettings(
            params=self.params,
            rounds=self.rounds,
            early_stopping_rounds=self.early_stopping_rounds,
            metric=self.metric,
            seed=self.seed,
            threads=threads,
        )

    def to_json(self) -> dict[str, Any]:
        """Encode all but the features and the target, for lineage and the digests that decide what is skipped."""
        return {
            "name": self.name,
            "split": self.split.to_json(),
            "settings": self.settings(threads=1).to_json(),
            "gates": [gate_json(gate) for gate in self.gates if isinstance(gate, _GATES)],
            "slice_by": list(self.slice_columns),
            "naive_by": list(self.naive_by),
        }
