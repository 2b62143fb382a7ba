"""Models that may yet win are kept on disk, so that the winner is judged without being trained again."""

from __future__ import annotations

import shutil
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from headrace.core.errors import CorruptedError
from headrace.core.hashing import digest_json
from headrace.training.storage import load_trained, save_trained
from headrace.training.trained import TrainedModel


class Shelf:
    """A folder of trained models by their parameters."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put(self, params: Mapping[str, Any], model: TrainedModel) -> None:
        """Keep a model."""
        save_trained(model, self._place(params))

    def get(self, params: Mapping[str, Any]) -> TrainedModel | None:
        """The model of some parameters; None where it is not there."""
        if not self._place(params).is_dir():
            return None
        try:
            return load_trained(self._place(params))
        except CorruptedError:
            return None

    def keep_only(self, wanted: Collection[Mapping[str, Any]]) -> None:
        """Remove all other models."""
        kept = {self._place(params).name for params in wanted}
        for folder in self._folder.iterdir() if self._folder.is_dir() else ():
            if not folder.name.startswith(".") and folder.name not in kept:
                shutil.rmtree(folder, ignore_errors=True)

    def _place(self, params: Mapping[str, Any]) -> Path:
        return self._folder / digest_json(dict(params))[:24]
