"""Runners of one backend, lent to whatever thread has a batch: as many as there are batches at a time."""

from __future__ import annotations

import numpy as np

from headrace.serving.batching.tickets import Arrays
from headrace.serving.runtime.backend import Backend, Runner


class Runners:
    """Runs batches from any thread in memory that is used again; faster than `Backend.run`, to the same bits.

    Args:
        backend: the graph.
    """

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._idle: list[Runner] = []

    def run(self, inputs: Arrays) -> Arrays:
        """Run the graph; the answer is the caller's to keep. As `Runner.run` otherwise."""
        try:
            runner = self._idle.pop()  # one step for any number of threads
        except IndexError:
            runner = self._backend.runner()
        try:
            return tuple([np.array(output) for output in runner.run(inputs)])
        finally:
            self._idle.append(runner)
