"""Opens a graph with whatever runs it fastest: ONNX Runtime, or a backend that gives the same bits in less time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from headrace.core.logging import get_logger
from headrace.serving.batching.tickets import Arrays
from headrace.serving.config import Device
from headrace.serving.runtime.backend import Backend, Tensor
from headrace.serving.runtime.session import Session
from headrace.serving.runtime.signature import samples, zeros
from headrace.wire.tensors import DTYPES

_LOG = get_logger("serving")

Candidate = Callable[[bytes, str], Backend | None]
"""Opens a graph's bytes under a name; None where the graph is not one that it can run on any rows whatever."""

WARM_ROWS = (1, 2, 64)
PROBE_ROWS = (1, 7, 64)
TRIAL_ROWS = (1, 64)
TRIAL_S = 0.003
"""Time for which each number of rows is tried with each backend, at least three runs."""


@dataclass(frozen=True)
class Trial:
    """What a backend takes, in microseconds.

    Attributes:
        one_us: a batch of one row.
        many_us: a batch of 64 rows.
    """

    one_us: float
    many_us: float

    def beats(self, other: Trial) -> bool:
        """Whether it is faster: by the geometric mean of both, so that neither is bought too dearly with the other."""
        return self.one_us * self.many_us < other.one_us * other.many_us


def open_backend(
    model: bytes, *, device: Device, name: str, threads: int = 1, candidates: Sequence[Candidate] | None = None
) -> Backend:
    """Open a graph, warmed, with the fastest backend that agrees with ONNX Runtime bit for bit.

    Other backends are tried only on the CPU, and only where ONNX Runtime opened the graph: it is the reference, for
    what is accepted as for what comes out.

    Args:
        model: the ONNX graph.
        device: where it shall run.
        name: whose graph it is, for messages.
        threads: threads that one large batch may use.
        candidates: other backends; None: those of this installation.

    Raises:
        CorruptedError: the bytes are no graph that ONNX Runtime can run.
        UnimplementedError: the graph does not take rows.
        UnavailableError: CUDA is required and cannot be used.
        HeadraceError: the graph's outputs have no rows.
    """
    session = Session(model, device=device, name=name, threads=threads)
    warm(session)
    if session.placement.device != "cpu":
        return session
    offers = (candidate(model, name) for candidate in (_installed() if candidates is None else candidates))
    others = [backend for backend in offers if backend is not None]
    if not others:
        return session
    return _fastest(session, [backend for backend in others if _agrees(backend, session, name)], name)


def warm(backend: Backend) -> None:
    """Run zeros of the usual sizes, so that the first request finds memory and code in place."""
    for rows in WARM_ROWS:
        backend.run(zeros(backend.inputs, rows))


def _installed() -> Sequence[Candidate]:
    from headrace.serving.runtime.forest import open_forest  # most tests and some tools need no kernel

    return (open_forest,)


def _fastest(session: Session, others: Sequence[Backend], name: str) -> Backend:
    trials = {backend.name: _try(backend) for backend in (session, *others)}
    chosen: Backend = session
    for backend in others:
        if trials[backend.name].beats(trials[chosen.name]):
            chosen = backend
    figures = {f"{found}_us": [round(t.one_us, 1), round(t.many_us, 1)] for found, t in trials.items()}
    _LOG.info("backend_chosen", model=name, backend=chosen.name, rows=list(TRIAL_ROWS), **figures)
    return chosen


def _agrees(backend: Backend, reference: Session, name: str) -> bool:
    """Whether two backends declare the same tensors and give the same bits for rows that are easy to get wrong."""
    problem = _difference(backend, reference)
    if problem:
        _LOG.warning("backend_refused", model=name, backend=backend.name, reason=problem)
    return not problem


def _difference(backend: Backend, reference: Session) -> str:
    if (backend.inputs, backend.outputs) != (reference.inputs, reference.outputs):
        return "it declares other tensors"
    runner = backend.runner()
    for rows in PROBE_ROWS:
        for kind, inputs in probes(backend.inputs, rows):
            expected = reference.run(inputs)
            for run in (backend.run, runner.run):
                if not all(map(_same_bits, run(inputs), expected)):
                    return f"it differs from ONNX Runtime with {rows} rows of {kind}"
    return ""


def probes(tensors: Sequence[Tensor], rows: int) -> Iterable[tuple[str, Arrays]]:
    """Rows to compare backends with: zeros, random, random with NaN and infinities, extremes of the datatype."""
    rng = np.random.default_rng(rows)
    plain = zeros(tensors, rows)
    yield "zeros", plain
    if any(tensor.datatype == "BYTES" for tensor in tensors):
        return
    for scale in (1.0, 100.0):
        yield "random values", tuple((rng.standard_normal(a.shape) * scale).astype(a.dtype) for a in plain)
    yield (
        "extremes",
        tuple(rng.choice(_extremes(tensor), size=a.shape) for tensor, a in zip(tensors, plain, strict=True)),
    )


def _extremes(tensor: Tensor) -> np.ndarray:
    dtype = DTYPES[tensor.datatype]
    if dtype.kind == "f":
        info = np.finfo(dtype)
        values = [np.nan, np.inf, -np.inf, info.max, info.min, info.tiny, -0.0, 0.0, 1.0, -1.0]
    elif dtype.kind == "b":
        values = [False, True]
    else:
        limits = np.iinfo(dtype)
        values = [limits.min, limits.max, 0, 1]
    return np.array(values, dtype)


def _same_bits(found: np.ndarray, expected: np.ndarray) -> bool:
    if found.shape != expected.shape or found.dtype != expected.dtype:
        return False
    return found.tolist() == expected.tolist() if found.dtype == object else found.tobytes() == expected.tobytes()


def _try(backend: Backend) -> Trial:
    return Trial(*(_median_us(backend, rows) for rows in TRIAL_ROWS))


def _median_us(backend: Backend, rows: int) -> float:
    """Time of a run, median."""
    runner = backend.runner()
    inputs = samples(backend.inputs, rows)
    times: list[float] = []
    began = time.perf_counter()
    while len(times) < 3 or time.perf_counter() - began < TRIAL_S:
        start = time.perf_counter()
        runner.run(inputs)
        times.append(time.perf_counter() - start)
    return float(np.median(times)) * 1e6
