"""RepositoryIndex, RepositoryModelLoad and RepositoryModelUnload: what could be served, and changes to what is."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from headrace.core.errors import InvalidInputError, UnimplementedError
from headrace.serving.models.states import ModelState
from headrace.wire import inference_pb2 as pb

UNLOAD_DEPENDENTS = "unload_dependents"


class Repository(Protocol):
    """Who knows the models and changes what is served."""

    def index(self, *, ready_only: bool) -> Sequence[ModelState]:
        """Every version that is known, or those that answer."""
        ...

    def load(self, name: str, parameters: Mapping[str, object]) -> None:
        """Load a model, or load it anew; it answers when this returns.

        Raises:
            HeadraceError: why it could not be loaded; what was served before still is.
        """
        ...

    def unload(self, name: str, *, dependents: bool) -> None:
        """Take a model out of service; requests that it has are answered.

        Raises:
            HeadraceError: why it could not be taken out.
        """
        ...


class RepositoryMethods:
    """The repository's methods.

    Args:
        repository: who does what they ask for.
    """

    def __init__(self, repository: Repository) -> None:
        self._repository = repository
        self.methods: dict[str, Callable[[Any], Any]] = {
            "RepositoryIndex": self._index,
            "RepositoryModelLoad": self._load,
            "RepositoryModelUnload": self._unload,
        }

    def _index(self, request: pb.RepositoryIndexRequest) -> pb.RepositoryIndexResponse:
        _check_repository(request.repository_name)
        states = self._repository.index(ready_only=request.ready)
        return pb.RepositoryIndexResponse(
            models=[
                pb.RepositoryIndexResponse.ModelIndex(
                    name=state.name, version=state.version, state=state.state, reason=state.reason
                )
                for state in states
            ]
        )

    def _load(self, request: pb.RepositoryModelLoadRequest) -> pb.RepositoryModelLoadResponse:
        self._repository.load(_named(request), _read_parameters(request.parameters))
        return pb.RepositoryModelLoadResponse()

    def _unload(self, request: pb.RepositoryModelUnloadRequest) -> pb.RepositoryModelUnloadResponse:
        name, parameters = _named(request), _read_parameters(request.parameters)
        dependents = parameters.pop(UNLOAD_DEPENDENTS, False)
        if parameters:
            raise InvalidInputError(
                f"parameter '{next(iter(parameters))}' of RepositoryModelUnload is unknown; known: {UNLOAD_DEPENDENTS}"
            )
        if not isinstance(dependents, bool):
            raise InvalidInputError(f"parameter '{UNLOAD_DEPENDENTS}': {dependents!r} came, expected bool_param")
        self._repository.unload(name, dependents=dependents)
        return pb.RepositoryModelUnloadResponse()


def _named(request: pb.RepositoryModelLoadRequest | pb.RepositoryModelUnloadRequest) -> str:
    _check_repository(request.repository_name)
    if not request.model_name:
        raise InvalidInputError("model_name is empty; expected the name of a model")
    return request.model_name


def _check_repository(name: str) -> None:
    if name:
        raise UnimplementedError(
            f"repository_name is '{name}'; the repositories of this server have no names", hint="leave it empty"
        )


def _read_parameters(parameters: Any) -> dict[str, object]:
    found: dict[str, object] = {}
    for name, parameter in parameters.items():
        kind = parameter.WhichOneof("parameter_choice")
        if kind is None:
            raise InvalidInputError(f"parameter '{name}' has no value")
        found[name] = getattr(parameter, kind)
    return found
