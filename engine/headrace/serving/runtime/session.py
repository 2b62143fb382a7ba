"""ONNX Runtime, the only place that imports it: a graph on a device, and the reason for the device.

ONNX Runtime falls back to the CPU without a word. Here CUDA is asked for only where a driver is there and the graph has
operators it can run, so the library prints nothing, and every fallback has a reason that is logged and counted.
"""

from __future__ import annotations

import ctypes

import numpy as np
import onnxruntime as ort

from headrace.core.errors import CorruptedError, HeadraceError, UnavailableError
from headrace.serving.batching.tickets import Arrays
from headrace.serving.config import Device
from headrace.serving.runtime.backend import Placement, Runner, Tensor
from headrace.wire.tensors import DTYPES

CUDA_PROVIDER = "CUDAExecutionProvider"
CPU_PROVIDER = "CPUExecutionProvider"
_FATAL_ONLY = 4

_DATATYPES = {
    "tensor(float)": "FP32",
    "tensor(double)": "FP64",
    "tensor(float16)": "FP16",
    "tensor(int64)": "INT64",
    "tensor(int32)": "INT32",
    "tensor(int16)": "INT16",
    "tensor(int8)": "INT8",
    "tensor(uint64)": "UINT64",
    "tensor(uint32)": "UINT32",
    "tensor(uint16)": "UINT16",
    "tensor(uint8)": "UINT8",
    "tensor(bool)": "BOOL",
    "tensor(string)": "BYTES",
}


class Session:
    """One graph, ready to run; safe to run from several threads.

    Args:
        model: the ONNX graph.
        device: where it shall run.
        name: whose graph it is, for messages.

    Raises:
        CorruptedError: the bytes are no graph that ONNX Runtime can run.
        UnavailableError: CUDA is required and cannot be used.
    """

    name = "onnxruntime"

    def __init__(self, model: bytes, *, device: Device, name: str) -> None:
        self._name = name
        self.placement = choose_placement(model, device)
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1  # a second thread makes one row slower: docs/decisions/0501
        options.inter_op_num_threads = 1
        options.log_severity_level = _FATAL_ONLY
        providers = [CUDA_PROVIDER, CPU_PROVIDER] if self.placement.device == "cuda" else [CPU_PROVIDER]
        try:
            self._session = ort.InferenceSession(model, options, providers=providers)
        except Exception as error:
            raise CorruptedError(f"{name}: the graph cannot be run: {_first_line(error)}") from error
        if self.placement.device == "cuda" and CUDA_PROVIDER not in self._session.get_providers():
            self.placement = _fall_back(device, "ONNX Runtime could not load its CUDA provider")
        self.inputs = tuple(_tensor(node) for node in self._session.get_inputs())
        self.outputs = tuple(_tensor(node) for node in self._session.get_outputs())
        self._input_names = [tensor.name for tensor in self.inputs]
        self._output_names = [tensor.name for tensor in self.outputs]

    def run(self, inputs: Arrays) -> Arrays:
        """Run the graph.

        Args:
            inputs: one array an input, in the graph's order, all of n rows, in the dtypes the graph declares.

        Returns:
            One array an output, in the graph's order, each of n rows.

        Raises:
            HeadraceError: an output does not have the rows that came in.
        """
        outputs = self._session.run(self._output_names, dict(zip(self._input_names, inputs, strict=True)))
        rows = inputs[0].shape[0]
        for name, output in zip(self._output_names, outputs, strict=True):
            if output.shape[0] != rows:
                raise HeadraceError(f"{self._name}: output '{name}' has {output.shape[0]} rows for {rows} rows in")
        return tuple(outputs)

    def runner(self) -> Runner:
        """A runner for one thread."""
        return self

    def warm(self, batch_sizes: tuple[int, ...]) -> None:
        """Run zeros of each batch size, so that the first request finds memory and code in place."""
        for rows in batch_sizes:
            self.run(tuple(_zeros(tensor, rows) for tensor in self.inputs))


def choose_placement(model: bytes, device: Device) -> Placement:
    """Decide where a graph runs before ONNX Runtime is asked, so that it has nothing to complain about.

    Raises:
        UnavailableError: CUDA is required and cannot be used.
    """
    if device is Device.CPU:
        return Placement("cpu")
    if CUDA_PROVIDER not in ort.get_available_providers():
        return _fall_back(device, "this ONNX Runtime is built without CUDA")
    if not _cuda_driver_loads():
        return _fall_back(device, "no CUDA driver: libcuda.so.1 not found")
    if b"TreeEnsemble" in model:
        return _fall_back(device, "the graph has TreeEnsemble, which ONNX Runtime runs on the CPU only")
    return Placement("cuda")


def _fall_back(device: Device, reason: str) -> Placement:
    if device is Device.CUDA:
        raise UnavailableError(f"CUDA is required and cannot be used: {reason}", hint="serve with device auto or cpu")
    return Placement("cpu", reason)


def _cuda_driver_loads() -> bool:
    try:
        ctypes.CDLL("libcuda.so.1")
    except OSError:
        return False
    return True


def _tensor(node: ort.NodeArg) -> Tensor:
    if node.type not in _DATATYPES:
        raise CorruptedError(f"tensor '{node.name}' of the graph has type {node.type}, which the protocol cannot carry")
    shape = tuple(extent if isinstance(extent, int) else -1 for extent in node.shape)
    return Tensor(node.name, _DATATYPES[node.type], shape)


def _zeros(tensor: Tensor, rows: int) -> np.ndarray:
    extents = [rows, *(1 if extent < 0 else extent for extent in tensor.shape[1:])]
    return np.full(extents, b"" if tensor.datatype == "BYTES" else 0, dtype=DTYPES[tensor.datatype])


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
