"""A model as a project file declares it: what it predicts, from which features, judged how."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from headrace.core.errors import DefinitionError, did_you_mean
from headrace.evaluation.gates import Gate, gate_json
from headrace.evaluation.known_gates import GATES, sensitive_columns, sliced_columns
from headrace.evaluation.measures import higher_is_better, metrics_of
from headrace.evaluation.task import DEFAULT_AT, Question, Task
from headrace.evaluation.thresholds import ThresholdRule, threshold_json
from headrace.features import Expression, FeatureSet
from headrace.training.calibrating import check_method
from headrace.training.objectives import Metric, find_objective
from headrace.training.settings import TrainingSettings
from headrace.training.split import TimeSplit
from headrace.training.walk_forward import WalkForward

_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,63}")


@dataclass(frozen=True, eq=False)  # == on a target builds an expression
class Model:
    """A model: what it predicts, from which features, how it is trained and judged.

    Attributes:
        name: the name it is registered under.
        features: the FeatureSet it reads.
        target: an expression over spine columns: a condition such as `hr.column("arr_delay") > 15` for a binary model,
            a number for regression, a class for multiclass, a grade of relevance (0, 1, 2, ...) for ranking. Rows where
            it is null have no label and are neither trained on nor judged.
        split: which rows train, validate, test.
        objective: what LightGBM minimises: `binary`, `multiclass`, `regression`, `quantile`, `poisson`, `lambdarank`.
        classes: of a multiclass model, the values of the target, in the order of the model's outputs.
        group_by: of a ranking, the spine columns that say which query a row belongs to.
        metric: what early stopping watches, such as `auc` or `rmse`, or an `hr.Metric` of your own; empty is the
            objective's default.
        gates: what the evaluation must show before the model is packaged.
        params: LightGBM parameters.
        rounds: most trees.
        early_stopping_rounds: stop after so many rounds without improvement; 0 never stops.
        weight: an expression over spine columns that says how much a row counts; None: all alike.
        class_weight: `balanced`, or class -> weight, in training alone.
        monotone: feature -> 1 where predictions may only rise with it, -1 where they may only fall.
        interactions: groups of features that may meet on one path of a tree; those in no group form one of their own.
        folds: walk-forward cross-validation beside the split; None: none.
        trusted: features that are known before the outcome although they tell it nearly alone.
        slice_by: spine columns whose groups are judged one by one; columns of `MaxGap` gates are added.
        naive_by: spine columns whose historical rate is the naive baseline.
        calibration: `platt` or `isotonic`: a curve over raw scores, fitted to the validation part and exported.
        threshold: how the score from which rows are acted on is chosen, on the validation part.
        sensitive: spine columns whose groups decisions are judged by for fairness; columns of `Fair` gates are added.
        data_study: train on parts of the training rows too, and say what more rows would bring and which months help;
            costs some ten trainings.
        cuda_graph: package the trees as tensor operations too, so that ONNX Runtime can run them on a GPU.
        seed: of every random draw.
    """

    name: str
    features: FeatureSet
    target: Expression
    split: TimeSplit
    objective: str = "binary"
    classes: Sequence[str | int] = ()
    group_by: Sequence[str] = ()
    metric: str | Metric = ""
    gates: Sequence[Gate] = ()
    params: Mapping[str, Any] = field(default_factory=dict)
    rounds: int = 1_000
    early_stopping_rounds: int = 50
    weight: Expression | None = None
    class_weight: str | Mapping[Any, float] = ""
    monotone: Mapping[str, int] = field(default_factory=dict)
    interactions: Sequence[Sequence[str]] = ()
    folds: WalkForward | None = None
    trusted: Sequence[str] = ()
    slice_by: Sequence[str] = ()
    naive_by: Sequence[str] = ()
    calibration: str = ""
    threshold: ThresholdRule | None = None
    sensitive: Sequence[str] = ()
    data_study: bool = False
    cuda_graph: bool = True
    seed: int = 0

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise DefinitionError(
                f"model name '{self.name}' is not allowed: use 1 to 64 of a-z, 0-9, '_', '.', '-', "
                "starting with a letter or digit"
            )
        if not isinstance(self.features, FeatureSet):
            raise DefinitionError(f"model '{self.name}': features must be a FeatureSet, not {self.features!r}")
        if not isinstance(self.target, Expression):
            raise DefinitionError(
                f"model '{self.name}': target must be an expression over columns, not {self.target!r}",
                hint='compare a column: target=hr.column("arr_delay") > 15',
            )
        for gate in self.gates:
            if not isinstance(gate, GATES):
                raise DefinitionError(
                    f"model '{self.name}': {gate!r} is no gate; known: {', '.join(one.__name__ for one in GATES)}"
                )
        self._check_task()

    def _check_task(self) -> None:
        try:
            settings = self.settings(threads=1)
            check_method(self.calibration, settings.task)
        except DefinitionError as error:
            raise DefinitionError(f"model '{self.name}': {error.message}", hint=error.hint) from error
        if bool(self.group_by) != (settings.task is Task.RANKING):
            needs = "needs" if settings.task is Task.RANKING else "has no use for"
            raise DefinitionError(f"model '{self.name}': objective '{self.objective}' {needs} group_by")
        self._check_gates()
        if settings.task is not Task.BINARY and (self.threshold is not None or self.sensitive_columns):
            raise DefinitionError(f"model '{self.name}': decisions at a threshold are for binary models")
        if len(set(self.classes)) != len(self.classes):
            raise DefinitionError(f"model '{self.name}': a class is named twice in {list(self.classes)}")

    def _check_gates(self) -> None:
        known = metrics_of(self.question)
        for metric in (getattr(gate, "metric", "") for gate in self.gates):
            if higher_is_better(metric) is not None and metric not in known:
                raise DefinitionError(
                    f"model '{self.name}': a gate names metric '{metric}', which objective '{self.objective}' is not "
                    f"judged by; its metrics: {', '.join(known)}",
                    hint=did_you_mean(metric, known),
                )

    @property
    def task(self) -> Task:
        """What the model answers."""
        return find_objective(self.objective).task

    @property
    def question(self) -> Question:
        """What the model answers, as far as its figures depend on it."""
        watched = self.settings(threads=1).watched
        return Question(
            self.task,
            classes=tuple(str(value) for value in self.classes),
            quantile=float(self.params.get("alpha", 0.9)) if self.objective == "quantile" else None,
            counts=self.objective in {"poisson", "tweedie"},
            at=watched.at or DEFAULT_AT,
        )

    @property
    def slice_columns(self) -> tuple[str, ...]:
        """Columns to slice the evaluation by: those declared and those the gates need."""
        return tuple(dict.fromkeys([*self.slice_by, *sliced_columns(self.gates)]))

    @property
    def sensitive_columns(self) -> tuple[str, ...]:
        """Columns to judge fairness by: those declared and those the gates need."""
        return tuple(dict.fromkeys([*self.sensitive, *sensitive_columns(self.gates)]))

    def settings(self, *, threads: int) -> TrainingSettings:
        """The training settings this definition asks for.

        Raises:
            DefinitionError: a parameter is not allowed.
        """
        known = list(self.classes) if self.task is Task.MULTICLASS else [False, True]
        weight = self.class_weight
        if not isinstance(weight, str):
            for value in weight:
                if value not in known:
                    raise DefinitionError(f"class_weight: there is no class {value!r}; known: {known}")
            weight = {known.index(value): of_class for value, of_class in weight.items()}
        return TrainingSettings(
            params=self.params,
            rounds=self.rounds,
            early_stopping_rounds=self.early_stopping_rounds,
            metric=self.metric,
            seed=self.seed,
            threads=threads,
            objective=self.objective,
            n_classes=max(1, len(self.classes)),
            class_weight=weight,
            monotone=self.monotone,
            interactions=self.interactions,
        )

    def to_json(self) -> dict[str, Any]:
        """Encode all but the features and the target, for lineage and the digests that decide what is skipped."""
        extras = {
            "classes": list(self.classes),
            "group_by": list(self.group_by),
            "weight": str(self.weight) if self.weight is not None else "",
            "folds": self.folds.to_json() if self.folds is not None else None,
            "trusted": list(self.trusted),
            "calibration": self.calibration,
            "threshold": threshold_json(self.threshold) if self.threshold is not None else None,
            "sensitive": list(self.sensitive_columns),
        }
        return {
            "name": self.name,
            "split": self.split.to_json(),
            "settings": self.settings(threads=1).to_json(),
            "gates": [gate_json(gate) for gate in self.gates if isinstance(gate, GATES)],
            "slice_by": list(self.slice_columns),
            "naive_by": list(self.naive_by),
            **{name: value for name, value in extras.items() if value},
            **({} if self.cuda_graph else {"cuda_graph": False}),
        }
