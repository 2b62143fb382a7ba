"""Plain ONNX models in a folder, `NAME/VERSION/model.onnx`: docs/formats/model-repository.md."""

from __future__ import annotations

import os
from collections.abc import Hashable, Mapping
from pathlib import Path

from headrace.core.clock import Clock
from headrace.core.errors import CorruptedError, HeadraceError, NotFoundError, UnavailableError
from headrace.core.hashing import digest_bytes
from headrace.core.logging import get_logger
from headrace.serving.config import BatchingConfig
from headrace.serving.models.model_folder import MODEL_FILE, TRITON_CONFIG, ModelFolder, list_models, look_at, stamp_of
from headrace.serving.models.settings import read_settings
from headrace.serving.models.source import Artifact, WantedModel, unknown_model

_LOG = get_logger("serving")

LOOK_S_PER_MODEL = 0.001
"""How long the folder is left alone after a look, for each model in it: a look takes some 50 us of CPU a model, so that
following the folder costs a twentieth of a CPU at most, however large it is."""


class RepositorySource:
    """Models of a repository folder.

    Without `watch` the folder is read when the source is opened, and a model of it by `look`. With it, a change is
    taken once two looks in a row have found the same: a file that is still being written is not the same.

    Args:
        root: the folder.
        batching: bounds of queues, where a model has none of its own.
        watch: follow changes of the folder.
        clock: monotonic time.

    Raises:
        NotFoundError: there is no such folder.
        UnavailableError: it cannot be listed.
    """

    def __init__(self, root: Path, *, batching: BatchingConfig, watch: bool, clock: Clock) -> None:
        if not root.is_dir():
            raise NotFoundError(f"no repository folder at {root}", hint="it holds NAME/VERSION/model.onnx")
        self._root = root
        self._batching = batching
        self._watch = watch
        self._clock = clock
        self._look_at = 0.0
        self._changes = 0
        self._trouble: UnavailableError | None = None
        self._last = self._look()
        self._taken = dict(self._last)
        self._looked: dict[str, ModelFolder] = {}
        self._wanted = {name: self._want(name, folder) for name, folder in self._last.items()}
        if not self._wanted:
            _LOG.warning("repository_empty", folder=str(root), expected=f"NAME/VERSION/{MODEL_FILE}")

    def revision(self) -> Hashable:
        """Count of changes that were taken; looks at the folder where it is followed."""
        if self._watch and self._clock.monotonic() >= self._look_at:
            try:
                self._follow(self._look())
                self._trouble = None
            except UnavailableError as error:
                self._trouble = error
        return self._changes, self._trouble is None

    def wanted(self) -> tuple[WantedModel, ...]:
        """What the folder says, as far as it was taken."""
        if self._trouble is not None:
            raise self._trouble
        return tuple(self._wanted.values())

    def look(self, name: str) -> WantedModel:
        """Read one model's folder as it is now."""
        if name not in self.names():
            raise unknown_model(name, self.names())
        self._looked[name] = look_at(self._root / name)
        return self._want(name, self._looked[name])

    def accept(self, model: WantedModel) -> None:
        """Serve what `look` found."""
        self._wanted[model.name] = model
        self._taken[model.name] = self._looked[model.name]

    def names(self) -> tuple[str, ...]:
        """Folders that are there, and models that are served though theirs is gone."""
        try:
            present = list_models(self._root)
        except OSError as error:
            raise _unreadable(self._root, error) from error
        return tuple(dict.fromkeys((*present, *self._wanted)))

    def load(self, model: WantedModel, version: int) -> Artifact:
        """Read one version's file whole, and only as it was when it was looked at."""
        path = self._root / model.name / str(version) / MODEL_FILE
        try:
            with path.open("rb") as file:
                content = file.read()
                stamp = stamp_of(os.fstat(file.fileno()))
        except FileNotFoundError as error:
            raise NotFoundError(f"{model.name}@{version}: there is no {path}") from error
        except OSError as error:
            raise _unreadable(path, error) from error
        if stamp != model.stamps.get(version):
            raise UnavailableError(f"{path} was written while it was being taken", hint="load it again")
        if not content:
            raise CorruptedError(f"{path} is empty")
        return Artifact(content, digest_bytes(content))

    def close(self) -> None:
        """Nothing is held open."""

    def _look(self) -> dict[str, ModelFolder]:
        try:
            found = {name: look_at(self._root / name) for name in list_models(self._root)}
        except OSError as error:
            raise _unreadable(self._root, error) from error
        self._look_at = self._clock.monotonic() + LOOK_S_PER_MODEL * len(found)
        return found

    def _follow(self, found: Mapping[str, ModelFolder]) -> None:
        for name in found.keys() | self._taken.keys():
            folder = found.get(name)
            if folder == self._taken.get(name) or folder != self._last.get(name):
                continue
            if folder is None:
                del self._taken[name]
                self._wanted.pop(name, None)
            else:
                self._taken[name] = folder
                self._wanted[name] = self._want(name, folder)
            self._changes += 1
        self._last = dict(found)

    def _want(self, name: str, folder: ModelFolder) -> WantedModel:
        if folder.triton_config:
            _LOG.info("config_ignored", model=name, file=TRITON_CONFIG, reason="the graph says what it would say")
        for other in folder.ignored:
            _LOG.warning("version_ignored", model=name, folder=other, reason="no number from 1 without leading zeros")
        try:
            if folder.problem:
                raise UnavailableError(folder.problem)
            settings = read_settings(self._root / name)
            batching = settings.over(self._batching)
            versions = settings.versions.choose(folder.versions)
            missing = [number for number in settings.versions.listed if number not in folder.versions]
            if not versions:
                raise NotFoundError(self._nothing(name, folder, missing))
        except HeadraceError as error:
            return WantedModel(name, None, (), problem=error)
        refused: dict[int, HeadraceError] = {
            number: NotFoundError(f"{self._root / name / str(number)} holds no {MODEL_FILE}")
            for number in (*folder.incomplete, *missing)
        }
        return WantedModel(name, None, versions, stamps=folder.versions, batching=batching, refused=refused)

    def _nothing(self, name: str, folder: ModelFolder, missing: list[int]) -> str:
        if missing:
            return f"{self._root / name} has none of the versions its settings list: {', '.join(map(str, missing))}"
        if folder.incomplete:
            return f"{self._root / name / str(folder.incomplete[-1])} holds no {MODEL_FILE}"
        found = f"; folders there: {', '.join(folder.ignored)}" if folder.ignored else ""
        return f"{self._root / name} holds no version, a folder with a number such as 1{found}"


def _unreadable(path: Path, error: OSError) -> UnavailableError:
    return UnavailableError(f"{path} cannot be read: {error.strerror}")
