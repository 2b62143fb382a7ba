"""What a served version needs of whatever runs its graph."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from headrace.serving.batching.tickets import Arrays


@dataclass(frozen=True)
class Placement:
    """Where a graph runs.

    Attributes:
        device: `cuda` or `cpu`.
        reason: why not CUDA, where it was asked for; else empty.
        nodes: how many nodes of the graph which provider of ONNX Runtime had, in words; empty where nobody asked it.
    """

    device: str
    reason: str = ""
    nodes: str = ""

    @property
    def fell_back(self) -> bool:
        """Whether CUDA was asked for and is not used."""
        return self.device == "cpu" and bool(self.reason)


@dataclass(frozen=True)
class Tensor:
    """One tensor of a graph: name, protocol datatype, shape with -1 for any."""

    name: str
    datatype: str
    shape: tuple[int, ...]


class Runner(Protocol):
    """Runs one graph on one thread at a time, with memory of its own that it uses again."""

    def run(self, inputs: Arrays) -> Arrays:
        """Run the graph.

        Args:
            inputs: one array an input, in the graph's order, all of n rows, in the dtypes the graph declares.

        Returns:
            One array an output, in the graph's order, each of n rows, C-contiguous; valid until the next run.

        Raises:
            HeadraceError: an output does not have the rows that came in.
        """
        ...


class Backend(Protocol):
    """One graph, ready to run.

    Attributes:
        inputs: the graph's inputs.
        outputs: the graph's outputs.
    """

    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]

    @property
    def name(self) -> str:
        """What runs it now: `onnxruntime`, `forest`, ..., as ModelConfig shows it."""
        ...

    @property
    def placement(self) -> Placement:
        """Where it runs now: a device may fail while it serves."""
        ...

    @property
    def details(self) -> Mapping[str, str]:
        """How it runs now, as ModelConfig shows it beside its parameters: `threads`, ..."""
        ...

    def run(self, inputs: Arrays) -> Arrays:
        """Run the graph from any thread; the answer is the caller's to keep. As `Runner.run` otherwise."""
        ...

    def runner(self) -> Runner:
        """A runner for one thread."""
        ...
