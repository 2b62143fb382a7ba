"""Registered models, their versions and aliases, as the server shows them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from headrace.core.hashing import digest_json
from headrace.packaging import ModelVersion, Registry
from headrace.pipeline.mirror.client import MlflowClient, RefusedError
from headrace.pipeline.mirror.outbox import Outbox

DIGEST_TAG = "headrace.digest"
_TAKEN = "RESOURCE_ALREADY_EXISTS"


@dataclass(frozen=True)
class VersionSender:
    """Sends what the registry holds. A version is known on the server by its package's digest: it comes there once."""

    client: MlflowClient
    outbox: Outbox
    registry: Registry

    def send(self, model: str) -> int:
        """Bring the server's model up to the registry's; how many versions it lacked.

        Raises:
            RefusedError: the server does not take one.
            UnavailableError: no answer; the next attempt goes on from here.
        """
        versions, aliases = self.registry.versions(model), self.registry.aliases(model)
        state = digest_json({"versions": [version.digest for version in versions], "aliases": aliases})
        if self.outbox.model_state(model) == state:
            return 0
        self._create_model(model)
        there = self._there(model)
        lacking = [version for version in versions if version.digest not in there]
        for version in lacking:
            there[version.digest] = self._create_version(version)
        numbers = {version.version: there[version.digest] for version in versions}
        self._move_aliases(model, {alias: numbers[version] for alias, version in aliases.items()})
        self.outbox.note_model(model, state)
        return len(lacking)

    def _create_model(self, model: str) -> None:
        try:
            self.client.post("registered-models/create", {"name": model})
        except RefusedError as error:
            if error.reason != _TAKEN:
                raise

    def _there(self, model: str) -> dict[str, str]:
        """Digest -> the server's number; versions of others' making have no digest of ours."""
        quoted = model.replace("'", "")
        listed = self.client.pages("model-versions/search", "model_versions", filter=f"name='{quoted}'")
        return {
            tag["value"]: version["version"]
            for version in listed
            for tag in version.get("tags", ())
            if tag["key"] == DIGEST_TAG
        }

    def _create_version(self, version: ModelVersion) -> str:
        """Create a version; the server numbers it, with our number where nobody else registers under the name."""
        body: dict[str, Any] = {
            "name": version.name,
            "source": f"headrace://{version.name}/{version.version}",
            "description": f"{version} of the workspace's registry, package {version.digest}",
            "tags": [
                {"key": DIGEST_TAG, "value": version.digest},
                {"key": "headrace.version", "value": str(version.version)},
                {"key": "headrace.created_at", "value": version.created_at.isoformat()},
            ],
        }
        run = self.outbox.remote_of_version(version.name, version.version)
        if run is not None:
            body["run_id"] = run
        created: str = self.client.post("model-versions/create", body)["model_version"]["version"]
        return created

    def _move_aliases(self, model: str, wanted: dict[str, str]) -> None:
        known = self.client.get("registered-models/get", name=model)["registered_model"].get("aliases", ())
        there = {one["alias"]: one["version"] for one in known}
        ours = {record.alias for record in self.registry.history(model)}
        for alias, number in wanted.items():
            if there.get(alias) != number:
                self.client.post("registered-models/alias", {"name": model, "alias": alias, "version": number})
        for alias in ours & there.keys() - wanted.keys():
            self.client.post("registered-models/alias", {"name": model, "alias": alias}, verb="DELETE")
