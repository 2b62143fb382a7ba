"""What each feature's value depends on, as a digest that neither names nor neighbours change.

The digest of a feature covers its step with every name replaced by what it stands for: a view by the stored table and
its time columns, an encoder by its settings and fitted values, another feature by that feature's digest. Backfills use
it to tell which columns of an earlier build still hold.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from headrace.core.errors import DefinitionError
from headrace.core.hashing import digest_json
from headrace.features.plan import FeaturePlan, FeatureSpec


def digests_of(plan: FeaturePlan) -> dict[str, str]:
    """SHA-256 of every feature and intermediate by name: O(size of the plan).

    Raises:
        DefinitionError: features read each other in a circle.
    """
    return _Digests(plan).all()


class _Digests:
    """Digests of one plan's features, each computed once."""

    def __init__(self, plan: FeaturePlan) -> None:
        self.specs: dict[str, FeatureSpec] = {spec.name: spec for spec in (*plan.features, *plan.intermediates)}
        self.asking = {"spine": plan.spine, "column": plan.at.column, "offset_us": plan.at.offset_us}
        self.events = {name: _nameless(asdict(view)) for name, view in plan.event_views.items()}
        self.states = {name: _nameless(asdict(view)) for name, view in plan.state_views.items()}
        self.encoders = plan.encoders
        self.found: dict[str, str] = {}
        self.open: list[str] = []

    def all(self) -> dict[str, str]:
        for name in self.specs:
            self._digest(name)
        return self.found

    def _digest(self, name: str) -> str:
        if name not in self.found:
            if name in self.open:
                circle = " -> ".join([*self.open[self.open.index(name) :], name])
                raise DefinitionError(f"features read each other in a circle: {circle}")
            self.open.append(name)
            self.found[name] = self._of(self.specs[name])
            self.open.pop()
        return self.found[name]

    def _of(self, spec: FeatureSpec) -> str:
        from headrace.features.planning.step_format import step_to_json

        step = step_to_json(spec.step)
        views = {"window": self.events, "state": self.states}.get(step["kind"])
        if views is not None:
            step["view"] = views[step["view"]]
        if step["kind"] == "encoder":
            step["encoder"] = self._encoder(step["encoder"])
        return digest_json({"asking": self.asking, "dtype": spec.dtype, "step": self._inlined(step)})

    def _encoder(self, name: str) -> dict[str, Any]:
        from headrace.features.planning.step_format import encoder_to_json

        return _nameless(encoder_to_json(self.encoders[name]))

    def _inlined(self, node: Any) -> Any:
        """JSON data of expressions with states and features replaced by what they stand for."""
        if isinstance(node, list):
            return [self._inlined(value) for value in node]
        if not isinstance(node, dict):
            return node
        if "column_of_state" in node:
            return {**node, "state": self.states[node["state"]]}
        if node.keys() == {"feature"}:
            return {"feature": self._digest(node["feature"])}
        return {key: self._inlined(value) for key, value in node.items()}


def _nameless(data: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in data.items() if key != "name"}
