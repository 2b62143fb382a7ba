"""A backend on the CPU, with the reason why it is not on a device that was asked for."""

from __future__ import annotations

from collections.abc import Mapping

from headrace.serving.batching.tickets import Arrays
from headrace.serving.runtime.backend import Backend, Placement, Runner


class ExplainedBackend:
    """Another backend, shown with a placement and details of its own; its runners are the other's.

    Args:
        backend: the graph.
        placement: where it runs, and why there.
        details: shown beside the other's.
    """

    def __init__(self, backend: Backend, placement: Placement, details: Mapping[str, str]) -> None:
        self.name, self.inputs, self.outputs = backend.name, backend.inputs, backend.outputs
        self.placement = placement
        self.details: Mapping[str, str] = {**backend.details, **details}
        self._backend = backend

    def run(self, inputs: Arrays) -> Arrays:
        """Run the graph from any thread; the answer is the caller's to keep. As `Runner.run` otherwise."""
        return self._backend.run(inputs)

    def runner(self) -> Runner:
        """A runner for one thread."""
        return self._backend.runner()
