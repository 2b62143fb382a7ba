"""A change of what is served, in two phases: prepared where nobody notices, then committed or aborted.

One process does both at once. Several that share a port prepare the same change each; only when all have prepared the
same fleet is it committed everywhere, else it is aborted everywhere, so that a load reaches all of them or none.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from headrace.core.errors import HeadraceError, InvalidInputError
from headrace.core.hashing import digest_json
from headrace.serving.models.fleet import Fleet
from headrace.serving.models.source import WantedModel


class Action(Enum):
    """What is asked for."""

    FOLLOW = "follow"
    LOAD = "load"
    UNLOAD = "unload"


@dataclass(frozen=True)
class Change:
    """What shall change; plain data, to be handed to other processes.

    Attributes:
        action: follow what the sources want now, load (or load again) one model, unload one.
        model: whose; empty where the sources are followed.
    """

    action: Action
    model: str = ""

    def to_json(self) -> dict[str, str]:
        """Plain strings."""
        return {"action": self.action.value, "model": self.model}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Change:
        """Read what `to_json` wrote.

        Raises:
            InvalidInputError: it is no change.
        """
        try:
            return cls(Action(document["action"]), str(document.get("model", "")))
        except (KeyError, ValueError) as error:
            raise InvalidInputError(f"{dict(document)} is no change of models") from error


FOLLOW = Change(Action.FOLLOW)


@dataclass(frozen=True)
class Prepared:
    """A change that is loaded, warm, and not served yet.

    Attributes:
        change: what was asked for.
        base: the fleet it was prepared for; it can be committed only while that one is served.
        fleet: what will be served; the same object as `base` where nothing changes.
        wanted: what the sources want, of all models.
        failures: models that keep what they have, and why.
    """

    change: Change
    base: Fleet
    fleet: Fleet
    wanted: tuple[WantedModel, ...] = ()
    failures: Mapping[str, HeadraceError] = field(default_factory=dict)

    @property
    def changed(self) -> bool:
        """Whether committing it changes what is served."""
        return self.fleet is not self.base

    @property
    def digest(self) -> str:
        """Mark of what will be served: models, versions by content, routes. Equal marks, equal answers."""
        deployments = sorted(self.fleet.deployments.items())
        return digest_json(
            [
                [
                    name,
                    [[number, one.identity.digest] for number, one in sorted(found.versions.items())],
                    repr(found.route),
                ]
                for name, found in deployments
            ]
        )
