"""Stage four: the model, the same model without window features, and the model refit on all labelled past."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

from headrace.core.files import staged_directory
from headrace.core.hashing import digest_json
from headrace.pipeline.context import RunContext
from headrace.pipeline.dataset import Dataset, load_dataset
from headrace.pipeline.fingerprint import library_versions
from headrace.pipeline.stage import StageOutcome
from headrace.training import (
    Checkpoint,
    CrossValidation,
    Screening,
    TrainedModel,
    TrainingData,
    TrainingSettings,
    calibrated,
    cross_validate,
    refit,
    screen_features,
    train,
)
from headrace.training.storage import save_trained

FULL, WITHOUT_WINDOWS, REFIT = "full", "without_windows", "refit"
PARTS = (FULL, WITHOUT_WINDOWS, REFIT)
_JUDGING = frozenset({"name", "gates", "slice_by", "naive_by", "threshold", "sensitive", "cuda_graph"})


class TrainStage:
    """Trains three models: the first version, its ablation, and the second version.

    The second version is the first one's recipe on training and validation months together, with as many trees as
    early stopping chose: what a team ships once the recipe is settled.
    """

    name: ClassVar[str] = "train"
    after: ClassVar[tuple[str, ...]] = ("features",)
    code: ClassVar[tuple[str, ...]] = ("core", "training")

    def inputs(self, context: RunContext) -> Any:
        """Target, what is learnt and how, the trainer's version; not what judges it."""
        model = context.project.model
        return {
            "target": str(model.target),
            **{name: value for name, value in model.to_json().items() if name not in _JUDGING},
            "libraries": library_versions(("lightgbm", "numpy")),
        }

    def outputs(self, context: RunContext) -> list[Path]:
        """One folder a model."""
        return [context.workspace.models / part for part in PARTS]

    def run(self, context: RunContext) -> StageOutcome:
        """Train; a killed run leaves the earlier models as they were."""
        model = context.project.model
        settings = model.settings(threads=context.settings.threads)
        dataset = load_dataset(context)
        data = dataset.training_data(model.split)
        screening = screen_features(data, model.task)
        screening.require(trusted=model.trusted)
        full = train(data, settings, progress=context.progress, checkpoint=self._checkpoint(context, FULL))
        plain = dataset.plan.without({"window"}).feature_names
        ablated = train(
            data.select(plain),
            _constrained(settings, plain),
            progress=context.progress,
            checkpoint=self._checkpoint(context, WITHOUT_WINDOWS),
        )
        full = calibrated(full, data, model.calibration)
        again = refit(data, settings, rounds=full.best_iteration, progress=context.progress)
        again = replace(again, calibrator=full.calibrator)  # it has seen the validation part: the first one's curve
        folds = _cross_validate(dataset, data, settings, context) if model.folds is not None else None
        with staged_directory(context.workspace.models, replace=True) as staged:
            for part, trained in zip(PARTS, (full, ablated, again), strict=True):
                save_trained(trained, staged / part)
        stopped = "early stop" if full.curve and full.curve[-1].trees > full.best_iteration else "all rounds"
        importance = full.importance()
        return StageOutcome(
            headline=f"LightGBM, {full.best_iteration} trees, {stopped}",
            detail=" · ".join(_details(full, int(data.split.train.sum()), folds, screening)),
            facts={
                "trees": full.best_iteration,
                "stopped_early": stopped == "early stop",
                "metric": settings.watched.name,
                "higher_is_better": settings.watched.higher_is_better,
                "screening": screening.to_json(),
                "resumed_at": list(full.resumed_at),
                "folds": folds.to_json() if folds else None,
                "valid": full.best_value,
                "curve": [[point.trees, point.value] for point in full.curve],
                "importance": dict(importance),
                "rows": {part: int(getattr(data.split, part).sum()) for part in ("train", "valid", "test")},
                "features_without_windows": len(plain),
                "seconds": {part: round(t.seconds, 2) for part, t in zip(PARTS, (full, ablated, again), strict=True)},
            },
        )

    def _checkpoint(self, context: RunContext, part: str) -> Checkpoint:
        """Where a killed training of this stage is gone on from, as long as nothing it depends on has changed."""
        identity = digest_json([part, context.records["features"].inputs_digest, self.inputs(context)])
        return Checkpoint(context.workspace.home / "checkpoints" / f"{part}.json", identity)


def _details(trained: TrainedModel, rows: int, folds: CrossValidation | None, screening: Screening) -> Iterator[str]:
    yield f"valid {trained.settings.watched.name} {trained.best_value:.3f} · {rows:,} rows"
    if folds:
        spread = f" ± {folds.std:.3f}" if len(folds.folds) > 1 else ""
        yield f"{len(folds.folds)} folds {folds.mean:.3f}{spread}"
    idle = (*screening.empty, *screening.constant)
    if idle:
        yield f"{len(idle)} features have one value or none: {', '.join(idle[:3])}{', ...' if len(idle) > 3 else ''}"
    if trained.resumed_at:
        yield f"resumed at tree {trained.resumed_at[-1]}"


def _constrained(settings: TrainingSettings, names: Collection[str]) -> TrainingSettings:
    """Settings for some of the features: constraints on the others are left out."""
    return replace(
        settings,
        monotone={name: sign for name, sign in settings.monotone.items() if name in names},
        interactions=tuple(
            kept for group in settings.interactions if (kept := [name for name in group if name in names])
        ),
    )


def _cross_validate(
    dataset: Dataset, data: TrainingData, settings: TrainingSettings, context: RunContext
) -> CrossValidation:
    model = context.project.model
    assert model.folds is not None
    masks = model.folds.masks(dataset.times, end_us=model.split.valid_end_us, purge=model.split.purge)
    labelled = [split.within(dataset.labelled) for split in masks]
    return cross_validate(data, settings, labelled, progress=context.progress)
