"""Where a graph runs, decided before ONNX Runtime is asked, so that it has nothing to complain about.

ONNX Runtime falls back to the CPU without a word. Here CUDA is asked for only where a driver is there and the graph has
operators it can run, so the library prints nothing, and every fallback has a reason that is logged and counted.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence

from headrace.core.errors import UnavailableError
from headrace.serving.config import Device
from headrace.serving.runtime.backend import Placement

CUDA_PROVIDER = "CUDAExecutionProvider"
CPU_PROVIDER = "CPUExecutionProvider"


def choose_placement(model: bytes, device: Device, providers: Sequence[str]) -> Placement:
    """Decide where a graph runs.

    Args:
        model: the ONNX graph.
        device: where it shall run.
        providers: what this ONNX Runtime is built with.

    Raises:
        UnavailableError: CUDA is required and cannot be used.
    """
    if device is Device.CPU:
        return Placement("cpu")
    problem = cuda_problem(model, providers)
    return fall_back(device, problem) if problem else Placement("cuda")


def cuda_problem(model: bytes, providers: Sequence[str]) -> str:
    """Why ONNX Runtime cannot run a graph on CUDA, as far as can be said before it is asked; empty where it may."""
    if CUDA_PROVIDER not in providers:
        return "this ONNX Runtime is built without CUDA"
    problem = driver_problem()
    if not problem and b"TreeEnsemble" in model:
        return "the graph has TreeEnsemble, which ONNX Runtime runs on the CPU only"
    return problem


def demand(device: Device) -> None:
    """Refuse at once where CUDA is required and there is no driver, whatever shall be served.

    Raises:
        UnavailableError: CUDA is required.
    """
    problem = driver_problem() if device is Device.CUDA else ""
    if problem:
        fall_back(device, problem)


def driver_problem() -> str:
    """Why there is no CUDA driver, in words; empty where there is one. Loads nothing else."""
    return "" if _cuda_driver_loads() else "no CUDA driver: libcuda.so.1 not found"


def fall_back(device: Device, reason: str) -> Placement:
    """The CPU, and why; an error where CUDA is required.

    Raises:
        UnavailableError: CUDA is required.
    """
    if device is Device.CUDA:
        raise UnavailableError(f"CUDA is required and cannot be used: {reason}", hint="serve with device auto or cpu")
    return Placement("cpu", reason)


def _cuda_driver_loads() -> bool:
    try:
        ctypes.CDLL("libcuda.so.1")
    except OSError:
        return False
    return True
