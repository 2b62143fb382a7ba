"""Stage four: the model, the same model without window features, and the model refit on all labelled past."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from headrace.core.files import staged_directory
from headrace.pipeline.context import RunContext
from headrace.pipeline.dataset import load_dataset
from headrace.pipeline.fingerprint import describe, library_versions
from headrace.pipeline.stage import StageOutcome
from headrace.training import refit, train
from headrace.training.storage import save_trained

FULL, WITHOUT_WINDOWS, REFIT = "full", "without_windows", "refit"
PARTS = (FULL, WITHOUT_WINDOWS, REFIT)


class TrainStage:
    """Trains three models: the first version, its ablation, and the second version.

    The second version is the first one's recipe on training and validation months together, with as many trees as
    early stopping chose: what a team ships once the recipe is settled.
    """

    name: ClassVar[str] = "train"
    after: ClassVar[tuple[str, ...]] = ("features",)
    code: ClassVar[tuple[str, ...]] = ("core", "training")

    def inputs(self, context: RunContext) -> Any:
        """Target, split, parameters, the trainer's version."""
        model = context.project.model
        return {
            "target": str(model.target),
            "split": describe(model.split),
            "settings": model.settings(threads=1).to_json(),
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
        full = train(data, settings, progress=context.progress)
        plain = dataset.plan.without({"window"}).feature_names
        ablated = train(data.select(plain), settings, progress=context.progress)
        again = refit(data, settings, rounds=full.best_iteration, progress=context.progress)
        with staged_directory(context.workspace.models, replace=True) as staged:
            for part, trained in zip(PARTS, (full, ablated, again), strict=True):
                save_trained(trained, staged / part)
        stopped = "early stop" if full.curve and full.curve[-1].trees > full.best_iteration else "all rounds"
        importance = full.importance()
        return StageOutcome(
            headline=f"LightGBM, {full.best_iteration} trees, {stopped}",
            detail=f"valid {model.metric} {full.best_value:.3f} · {int(data.split.train.sum()):,} rows",
            facts={
                "trees": full.best_iteration,
                "stopped_early": stopped == "early stop",
                "metric": model.metric,
                "valid": full.best_value,
                "curve": [[point.trees, point.value] for point in full.curve],
                "importance": dict(importance),
                "rows": {part: int(getattr(data.split, part).sum()) for part in ("train", "valid", "test")},
                "features_without_windows": len(plain),
                "seconds": {part: round(t.seconds, 2) for part, t in zip(PARTS, (full, ablated, again), strict=True)},
            },
        )
