"""Trained models between the stages of a run: a folder with LightGBM's text and how training went, no pickle."""

from __future__ import annotations

import json
from pathlib import Path

from headrace.core.errors import CorruptedError
from headrace.core.files import staged_directory
from headrace.core.hashing import digest_bytes
from headrace.packaging.calibrator import calibrator_from_json
from headrace.training.library import load_lightgbm
from headrace.training.settings import TrainingSettings
from headrace.training.trained import CurvePoint, TrainedModel

MODEL_FILE = "model.txt"
TRAINING_FILE = "training.json"


def save_trained(trained: TrainedModel, folder: Path) -> None:
    """Write a trained model; the folder is whole or absent."""
    text = trained.model_text
    training = {
        "digest": digest_bytes(text.encode()),
        "names": list(trained.names),
        "best_iteration": trained.best_iteration,
        "curve": [[point.trees, point.value] for point in trained.curve],
        "settings": trained.settings.to_json(),
        "shares": dict(trained.shares),
        "threads": trained.settings.threads,
        "seconds": trained.seconds,
        "resumed_at": list(trained.resumed_at),
        "calibrator": trained.calibrator.to_json() if trained.calibrator else None,
    }
    with staged_directory(folder, replace=True) as staged:
        (staged / MODEL_FILE).write_text(text)
        (staged / TRAINING_FILE).write_text(json.dumps(training))


def load_trained(folder: Path) -> TrainedModel:
    """Read what `save_trained` wrote; predictions are the same bits.

    Raises:
        CorruptedError: the folder does not hold a trained model.
    """
    lgb = load_lightgbm()
    try:
        training = json.loads((folder / TRAINING_FILE).read_text())
        text = (folder / MODEL_FILE).read_text()
        if digest_bytes(text.encode()) != training["digest"]:
            raise CorruptedError(f"{folder / MODEL_FILE} is not the model that was written", hint="train it again")
        booster = lgb.Booster(model_str=text)
        settings = TrainingSettings.from_json(training["settings"], threads=training["threads"])
        return TrainedModel(
            booster=booster,
            names=tuple(training["names"]),
            best_iteration=training["best_iteration"],
            curve=tuple(CurvePoint(trees, value) for trees, value in training["curve"]),
            settings=settings,
            shares=training["shares"],
            seconds=training["seconds"],
            resumed_at=tuple(training.get("resumed_at", ())),
            calibrator=calibrator_from_json(training.get("calibrator")),
        )
    except (OSError, ValueError, KeyError, TypeError, lgb.basic.LightGBMError) as error:
        raise CorruptedError(f"{folder} does not hold a trained model: {error}") from error
