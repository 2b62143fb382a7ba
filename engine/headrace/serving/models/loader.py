"""Loads one version: read and verified, its graph opened, warmed with every batch size that matters."""

from __future__ import annotations

from collections.abc import Callable

from headrace.core.clock import Clock
from headrace.core.errors import CorruptedError, HeadraceError
from headrace.core.hashing import SHORT_DIGEST_CHARS
from headrace.core.logging import get_logger
from headrace.serving.config import ServingConfig
from headrace.serving.models.background import run_in_background
from headrace.serving.models.cache import ResponseCache, VersionCache
from headrace.serving.models.loads import LoadRecord
from headrace.serving.models.source import Artifact, ModelSource, WantedModel
from headrace.serving.models.version import ServedVersion, VersionIdentity
from headrace.serving.runtime.accelerate import Acceleration
from headrace.serving.runtime.backend import Tensor
from headrace.serving.runtime.forest import open_forest
from headrace.serving.runtime.open_backend import open_backend

_LOG = get_logger("serving")


class Loader:
    """Turns wanted versions into served ones.

    Args:
        source: where they come from.
        config: where and how they run.
        clock: monotonic time.
        serving: whether requests may be answered meanwhile.
    """

    def __init__(
        self, source: ModelSource, config: ServingConfig, clock: Clock, *, serving: Callable[[], bool]
    ) -> None:
        self.loads = LoadRecord()
        self.cache = ResponseCache(config.response_cache_bytes) if config.response_cache_bytes else None
        self._source = source
        self._config = config
        self._clock = clock
        self._serving = serving

    def load(self, model: WantedModel, number: int) -> ServedVersion:
        """Load and warm one version; counted and logged however it ends.

        Raises:
            HeadraceError: it cannot be read, is not what its digest says, or does not run.
        """
        start = self._clock.monotonic()
        name = f"{model.name}@{number}"
        try:
            artifact = self._source.load(model, number)
            version = self._open_beside_requests(model, number, artifact)
        except HeadraceError as error:
            self._failed(model.name, number, error)
            raise
        except Exception as foreign:
            # ONNX Runtime's own errors, from a graph that opens and does not run.
            refusal = CorruptedError(f"{name}: the graph fails as it is warmed up: {_first_line(foreign)}")
            self._failed(model.name, number, refusal)
            raise refusal from foreign
        placement = version.session.placement
        self.loads.succeeded(model.name, number, placement)
        log = _LOG.warning if placement.fell_back else _LOG.info
        log(
            "model_loaded",
            model=model.name,
            version=number,
            digest=artifact.digest[:SHORT_DIGEST_CHARS],
            device=placement.device,
            device_reason=placement.reason,
            seconds=round(self._clock.monotonic() - start, 3),
        )
        return version

    def _open_beside_requests(self, model: WantedModel, number: int, artifact: Artifact) -> ServedVersion:
        batching = model.batching or self._config.batching
        if batching.batch_threads > 1 or not self._serving():  # the graph's threads would keep the lower priority
            return self._open(model, number, artifact)
        return run_in_background(lambda: self._open(model, number, artifact))

    def _open(self, model: WantedModel, number: int, artifact: Artifact) -> ServedVersion:
        name = f"{model.name}@{number}"
        batching = model.batching or self._config.batching
        session = open_backend(
            artifact.model,
            device=self._config.device,
            name=name,
            threads=batching.batch_threads,
            candidates=(open_forest,),
            acceleration=Acceleration(artifact.cuda_model, lambda reason: self.loads.fell_back(model.name, reason)),
        )
        _check_width(name, session.inputs, len(artifact.features))
        identity = VersionIdentity(model.name, number, artifact.digest, artifact.features, mark=model.mark(number))
        cache = VersionCache(self.cache, artifact.digest) if self.cache is not None else None
        return ServedVersion(identity, session, batching, self._clock, cache)

    def _failed(self, name: str, number: int, error: HeadraceError) -> None:
        self.loads.failed(name, number, error)
        _LOG.error("model_load_failed", model=name, version=number, code=error.code.value, error=error.message)


def _check_width(name: str, inputs: tuple[Tensor, ...], features: int) -> None:
    width = inputs[0].shape[-1]
    if features and width not in (-1, features):
        raise CorruptedError(f"{name}: the graph takes {width} features, the package's signature names {features}")


def _first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
