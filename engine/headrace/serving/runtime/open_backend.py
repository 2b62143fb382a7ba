"""Opens a graph with whatever runs it fastest: ONNX Runtime, or backends that give the same bits in less time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from headrace.core.logging import get_logger
from headrace.serving.config import Device
from headrace.serving.runtime.accelerate import Acceleration, accelerate
from headrace.serving.runtime.backend import Backend
from headrace.serving.runtime.session import Session
from headrace.serving.runtime.signature import zeros
from headrace.serving.runtime.trials import median_us, probes, same_bits

_LOG = get_logger("serving")

Candidate = Callable[[bytes, str], Backend | None]
"""Opens a graph's bytes under a name; None where the graph is not one that it can run on any rows whatever."""

WARM_ROWS = (1, 2, 64)
PROBE_ROWS = (1, 7, 64)
TRIAL_ROWS = (1, 64)


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
    model: bytes,
    *,
    device: Device,
    name: str,
    threads: int = 1,
    candidates: Sequence[Candidate] | None = None,
    acceleration: Acceleration | None = None,
) -> Backend:
    """Open a graph, warmed, with the fastest backend that agrees with ONNX Runtime on the CPU.

    Other backends are tried only where ONNX Runtime opened the graph on the CPU: it is the reference, for what is
    accepted as for what comes out. Where a device is asked for, it comes beside the CPU, never in its place.

    Args:
        model: the ONNX graph.
        device: where it shall run.
        name: whose graph it is, for messages.
        threads: threads that one large batch may use.
        candidates: other backends on the CPU; None: those of this installation.
        acceleration: what a device may use beside the graph.

    Raises:
        CorruptedError: the bytes are no graph that ONNX Runtime can run.
        UnimplementedError: the graph does not take rows.
        UnavailableError: CUDA is required and cannot be used.
        HeadraceError: the graph's outputs have no rows.
    """
    session = Session(model, device=Device.CPU, name=name, threads=threads)
    warm(session)
    offers = (candidate(model, name) for candidate in (_installed() if candidates is None else candidates))
    others = [backend for backend in offers if backend is not None]
    chosen: Backend = session
    if others:
        chosen = _fastest(session, [backend for backend in others if _agrees(backend, session, name)], name)
    if device is Device.CPU:
        return chosen
    return accelerate(chosen, session, model, device=device, name=name, wishes=acceleration or Acceleration())


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
                if not all(map(same_bits, run(inputs), expected)):
                    return f"it differs from ONNX Runtime with {rows} rows of {kind}"
    return ""


def _try(backend: Backend) -> Trial:
    return Trial(*(median_us(backend, rows) for rows in TRIAL_ROWS))
