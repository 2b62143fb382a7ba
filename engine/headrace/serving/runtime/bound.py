"""A runner with memory of its own: inputs are copied to where the graph reads, outputs stay where it writes.

A binding is made once for each number of rows and used again, so a run converts, checks and allocates nothing.
docs/decisions/0512 has the measurements.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnxruntime as ort

from headrace.core.errors import HeadraceError
from headrace.serving.batching.tickets import Arrays
from headrace.serving.runtime.backend import Runner, Tensor
from headrace.serving.runtime.signature import zeros
from headrace.wire.tensors import Array

ONNX_BFLOAT16 = 16
"""Element type of BF16 in ONNX, whose bits are carried as uint16: NumPy has no dtype of its own for it."""

MAX_BOUND_ROWS = 4096
"""Larger batches are run without a binding: their memory is given back, and what a binding saves is nothing there."""

MAX_BINDINGS = 256
"""Numbers of rows that are remembered; beyond them all are forgotten."""


@dataclass(frozen=True)
class _Binding:
    session: ort.InferenceSession
    io: ort.IOBinding
    inputs: Arrays
    outputs: Arrays


class BoundRunner:
    """Runs one graph on one thread at a time.

    Invariant: every binding points into `_inputs` and `_outputs`, which are replaced only after all were forgotten.

    Args:
        session_for: the graph on the CPU, for a number of rows.
        inputs: its inputs, numeric, with fixed trailing shapes.
        outputs: its outputs, the same.
        fallback: runs batches that are too large to be bound.
    """

    def __init__(
        self,
        session_for: Callable[[int], ort.InferenceSession],
        inputs: tuple[Tensor, ...],
        outputs: tuple[Tensor, ...],
        fallback: Runner,
    ) -> None:
        self._session_for = session_for
        self._input_tensors = inputs
        self._output_tensors = outputs
        self._fallback = fallback
        self._inputs: Arrays = ()
        self._outputs: Arrays = ()
        self._bindings: dict[int, _Binding] = {}

    def run(self, inputs: Arrays) -> Arrays:
        """Run the graph; the answer is valid until the next run.

        Raises:
            HeadraceError: an output does not have the shape the graph declares.
        """
        rows = inputs[0].shape[0]
        binding = self._bindings.get(rows)
        if binding is None:
            if rows > MAX_BOUND_ROWS:
                return self._fallback.run(inputs)
            binding = self._bind(rows)
        for target, array in zip(binding.inputs, inputs, strict=True):
            np.copyto(target, array)
        try:
            binding.session.run_with_iobinding(binding.io)
        except RuntimeError as error:
            raise HeadraceError(f"the graph failed with {rows} rows: {error}") from error
        return binding.outputs

    def _bind(self, rows: int) -> _Binding:
        if not self._inputs or rows > self._inputs[0].shape[0]:
            capacity = 1 << (rows - 1).bit_length()
            self._bindings.clear()
            self._inputs = zeros(self._input_tensors, capacity)
            self._outputs = zeros(self._output_tensors, capacity)
        elif len(self._bindings) >= MAX_BINDINGS:
            self._bindings.clear()
        session = self._session_for(rows)
        inputs = tuple(array[:rows] for array in self._inputs)
        outputs = tuple(array[:rows] for array in self._outputs)
        io = bind(
            session, zip(self._input_tensors, inputs, strict=True), zip(self._output_tensors, outputs, strict=True)
        )
        binding = self._bindings[rows] = _Binding(session, io, inputs, outputs)
        return binding


def bind(
    session: ort.InferenceSession, inputs: Iterable[tuple[Tensor, Array]], outputs: Iterable[tuple[Tensor, Array]]
) -> ort.IOBinding:
    """Bind arrays to a graph's tensors; they must live as long as the binding."""
    io = session.io_binding()
    for tensor, array in inputs:
        io.bind_input(tensor.name, "cpu", 0, _element_type(tensor, array), array.shape, array.ctypes.data)
    for tensor, array in outputs:
        io.bind_output(tensor.name, "cpu", 0, _element_type(tensor, array), array.shape, array.ctypes.data)
    return io


def _element_type(tensor: Tensor, array: Array) -> Any:
    return ONNX_BFLOAT16 if tensor.datatype == "BF16" else array.dtype


def run_in_place(session: ort.InferenceSession, rows: Any) -> Arrays:
    """Run a graph of one input on rows where they are; what comes out is copied to the host.

    Args:
        session: the graph, on the device that has the rows.
        rows: float32[n_rows, n_features], C-contiguous, of CuPy or NumPy; what was asked of the device is done.
    """
    interface = getattr(rows, "__cuda_array_interface__", None)
    kind, number = ("cpu", 0) if interface is None else ("cuda", rows.device.id)
    address = (rows.__array_interface__ if interface is None else interface)["data"][0]
    io = session.io_binding()
    io.bind_input(session.get_inputs()[0].name, kind, number, np.float32, rows.shape, address)
    for output in session.get_outputs():
        io.bind_output(output.name)
    session.run_with_iobinding(io)
    return tuple(io.copy_outputs_to_cpu())
