"""Puts a device beside the CPU, where there is one that gives the same answers in less time for large batches."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import onnxruntime as ort

from headrace.core.errors import UnavailableError
from headrace.core.logging import get_logger
from headrace.serving.batching.tickets import Arrays
from headrace.serving.config import Device
from headrace.serving.runtime import devices
from headrace.serving.runtime.backend import Backend, Placement
from headrace.serving.runtime.device_guard import DeviceGuard
from headrace.serving.runtime.explained import ExplainedBackend
from headrace.serving.runtime.placement import cuda_problem, driver_problem, fall_back
from headrace.serving.runtime.session import Session
from headrace.serving.runtime.switching import SwitchingBackend
from headrace.serving.runtime.trials import last_bits, median_us, probes

_LOG = get_logger("serving")

TRIAL_ROWS = (1, 16, 64, 256, 1024, 4096)
PROBE_ROWS = (1, 7, 64, 300)
LAST_BITS = 1
"""Steps of float32 by which a graph of tensor operations may miss the CPU's prediction: the last bit of its link, whose
powers are CUDA's own. A row in another leaf, or another sum, is many steps away. Our own kernels may miss none."""


def _nobody(_reason: str) -> None:
    """Nobody counts."""


@dataclass(frozen=True)
class Acceleration:
    """What a device may use, and who is told when it fails.

    Attributes:
        cuda_model: the same graph as operations that CUDA has; None: the graph itself, where it has no trees.
        fell_back: told the reason of every batch with which the device failed.
    """

    cuda_model: bytes | None = None
    fell_back: Callable[[str], None] = _nobody


def accelerate(
    cpu: Backend, reference: Session, model: bytes, *, device: Device, name: str, wishes: Acceleration
) -> Backend:
    """Put a device beside a graph on the CPU.

    Args:
        cpu: what runs the graph on the CPU.
        reference: ONNX Runtime on the CPU: what answers are compared with.
        model: the ONNX graph.
        device: AUTO, or CUDA where the CPU alone will not do.
        name: whose graph it is, for messages.
        wishes: what the device may use.

    Returns:
        Both, or the CPU alone with the reason.

    Raises:
        UnavailableError: CUDA is required and cannot be used.
    """
    problem = driver_problem()
    if problem:
        return ExplainedBackend(cpu, fall_back(device, problem), {})
    offers: list[Backend] = []
    problems: list[str] = []
    for label, opened in _openers(model, wishes.cuda_model, name):
        try:
            backend = opened()
            problem = difference(backend, reference, model)
        except Exception as error:  # noqa: BLE001  # whatever a driver or library says: the CPU is there
            problem = error.message if isinstance(error, UnavailableError) else f"{type(error).__name__}: {error}"
        if problem:
            problems.append(f"{label}: {problem}")
            _LOG.info("device_refused", model=name, backend=label, reason=problem)
        else:
            offers.append(backend)
    if not offers:
        return ExplainedBackend(cpu, fall_back(device, "; ".join(problems)), {})
    return _together(cpu, offers, device=device, name=name, fell_back=wishes.fell_back)


def difference(backend: Backend, reference: Session, model: bytes) -> str:
    """How a device's answers differ from the CPU's by more than they may, in words; empty where they do not."""
    if (backend.inputs, backend.outputs) != (reference.inputs, reference.outputs):
        return "it declares other tensors"
    allowed = LAST_BITS if isinstance(backend, Session) else 0
    for rows in PROBE_ROWS:
        for kind, inputs in _probes(reference, model, rows):
            for found, expected in zip(backend.run(inputs), reference.run(inputs), strict=True):
                steps = last_bits(found, expected)
                if not 0 <= steps <= allowed:
                    return f"it differs from the CPU with {rows} rows of {kind}"
    return ""


def crossover(cpu_us: Mapping[int, float], cuda_us: Mapping[int, float]) -> int | None:
    """The smallest of the tried numbers of rows from which a device is faster at every one; None where it never is."""
    found = None
    for rows in sorted(cpu_us, reverse=True):
        if cuda_us[rows] >= cpu_us[rows]:
            break
        found = rows
    return found


def _openers(model: bytes, cuda_model: bytes | None, name: str) -> Iterator[tuple[str, Callable[[], Backend]]]:
    from headrace.serving.runtime.forest.cuda import open_cuda_forest

    yield "cuda_forest", lambda: open_cuda_forest(model, devices.find_device())
    yield "onnxruntime", lambda: _open_session(model if cuda_model is None else cuda_model, name)


def _open_session(model: bytes, name: str) -> Session:
    problem = cuda_problem(model, ort.get_available_providers())
    if problem:
        raise UnavailableError(problem)
    return Session(model, device=Device.CUDA, name=name)


def _probes(reference: Session, model: bytes, rows: int) -> Iterator[tuple[str, Arrays]]:
    from headrace.serving.runtime.forest.cuda import threshold_rows

    yield from probes(reference.inputs, rows)
    thresholds = threshold_rows(model, rows)
    if thresholds is not None:
        yield "thresholds", thresholds


def _together(
    cpu: Backend, offers: Sequence[Backend], *, device: Device, name: str, fell_back: Callable[[str], None]
) -> Backend:
    cpu_us = {rows: median_us(cpu, rows) for rows in TRIAL_ROWS}
    trials = [{rows: median_us(offer, rows) for rows in TRIAL_ROWS} for offer in offers]
    best = min(range(len(offers)), key=lambda i: trials[i][TRIAL_ROWS[-1]])
    from_rows = crossover(cpu_us, trials[best])
    figures = {f"cuda_{offer.name}_us": _rounded(trial) for offer, trial in zip(offers, trials, strict=True)}
    _LOG.info(
        "device_tried", model=name, backend=offers[best].name, from_rows=from_rows, rows=list(TRIAL_ROWS),
        nodes=offers[best].placement.nodes, cpu_us=_rounded(cpu_us), **figures,
    )  # fmt: skip
    if from_rows is None and device is not Device.CUDA:
        slower = f"slower than the CPU up to {TRIAL_ROWS[-1]:,} rows"
        return ExplainedBackend(cpu, Placement("cpu"), {"cuda_state": slower})
    return SwitchingBackend(
        cpu, offers[best], from_rows=from_rows or 1, guard=DeviceGuard(), name=name, fell_back=fell_back
    )


def _rounded(times_us: Mapping[int, float]) -> list[float]:
    return [round(time_us, 1) for time_us in times_us.values()]
