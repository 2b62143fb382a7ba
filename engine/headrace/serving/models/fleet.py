"""What is served at one moment: models, their loaded versions, and who answers a request. Immutable, swapped whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from headrace.core.errors import InvalidInputError, NotFoundError, did_you_mean
from headrace.serving.models.version import ServedVersion

MAX_VERSION_DIGITS = 18
"""More digits than any version has, and fewer than Python refuses to read."""


class Route(Protocol):
    """Decides which version answers a key; `headrace.rollout.Router` is one."""

    @property
    def versions(self) -> tuple[int, ...]:
        """Versions it may name, the champion first; empty where there is none."""
        ...

    def route(self, key: str) -> int:
        """Version that answers the request with this key."""
        ...


@dataclass(frozen=True)
class FixedRoute:
    """Every request to one version."""

    version: int

    @property
    def versions(self) -> tuple[int, ...]:
        """The one version."""
        return (self.version,)

    def route(self, key: str) -> int:  # noqa: ARG002
        """The one version, whatever the key."""
        return self.version


@dataclass(frozen=True)
class Deployment:
    """One served model.

    Invariant: the first of `route.versions`, the champion, is loaded; of the others those that could be loaded are.

    Attributes:
        name: the model's name.
        route: who answers a request that names no version.
        versions: loaded versions, those kept for a quick rollback included.
    """

    name: str
    route: Route
    versions: Mapping[int, ServedVersion]

    @property
    def champion(self) -> ServedVersion:
        """The version that answers by default."""
        return self.versions[self.route.versions[0]]

    def pick(self, version: str, key: str) -> ServedVersion:
        """Choose who answers: the version asked for, else the route's; the champion where the route's is not loaded.

        Raises:
            InvalidInputError: the version is no number.
            NotFoundError: the version is not loaded.
        """
        if not version:
            return self.versions.get(self.route.route(key)) or self.champion
        if not (version.isascii() and version.isdigit() and len(version) <= MAX_VERSION_DIGITS):
            raise InvalidInputError(
                f"model_version is '{version}', expected a number such as '1', or nothing for the router's choice"
            )
        found = self.versions.get(int(version))
        if found is None:
            loaded = ", ".join(str(number) for number in sorted(self.versions))
            raise NotFoundError(f"model '{self.name}' has no version {version} here; loaded: {loaded}")
        return found


@dataclass(frozen=True)
class Fleet:
    """All served models by name."""

    deployments: Mapping[str, Deployment] = field(default_factory=dict)

    def deployment(self, name: str) -> Deployment:
        """Find a model.

        Raises:
            NotFoundError: no such model is served here.
        """
        found = self.deployments.get(name)
        if found is None:
            served = ", ".join(sorted(self.deployments)) or "none"
            raise NotFoundError(
                f"model '{name}' is not served here; served: {served}", hint=did_you_mean(name, self.deployments)
            )
        return found
