"""Two backends of one graph: a device for large batches, the CPU for small ones, and for all when the device fails."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from headrace.core.logging import get_logger
from headrace.serving.batching.tickets import Arrays
from headrace.serving.runtime.backend import Backend, Placement, Runner
from headrace.serving.runtime.device_guard import DeviceGuard
from headrace.serving.runtime.devices import reason_of

_LOG = get_logger("serving")


class SwitchingBackend:
    """Runs batches from some number of rows on on a device, and whatever fails there on the CPU at once.

    No request fails because of the device: the batch that met the failure is run again on the CPU, and so are those
    after it, until the guard lets one try.

    Args:
        cpu: the graph on the CPU.
        accelerated: the graph on the device.
        from_rows: smallest batch for the device.
        guard: what is known of the device.
        name: whose graph it is, for the log.
        fell_back: told the reason of every batch that the device failed with.
    """

    def __init__(
        self,
        cpu: Backend,
        accelerated: Backend,
        *,
        from_rows: int,
        guard: DeviceGuard,
        name: str,
        fell_back: Callable[[str], None],
    ) -> None:
        self.cpu = cpu
        self.accelerated = accelerated
        self.from_rows = from_rows
        self.guard = guard
        self.inputs, self.outputs = cpu.inputs, cpu.outputs
        self._name = name
        self._fell_back = fell_back

    @property
    def name(self) -> str:
        """What runs large batches now."""
        return (self.cpu if self.guard.problem else self.accelerated).name

    @property
    def placement(self) -> Placement:
        """Where large batches run now."""
        return Placement("cpu", self.guard.problem) if self.guard.problem else self.accelerated.placement

    @property
    def details(self) -> Mapping[str, str]:
        """What runs where, and how the device is."""
        state = "in use"
        if self.guard.problem:
            state = "lost, until the model is loaded again" if self.guard.is_lost else "resting"
        own = {"cuda_from_rows": str(self.from_rows), "cuda_state": state, "cpu_backend": self.cpu.name}
        return {**self.cpu.details, **self.accelerated.details, **own}

    def run(self, inputs: Arrays) -> Arrays:
        """Run the graph from any thread; the answer is the caller's to keep. As `Runner.run` otherwise."""
        return self.run_on(self.cpu, self.accelerated, inputs)

    def runner(self) -> Runner:
        """A runner for one thread."""
        return SwitchingRunner(self)

    def run_on(self, cpu: Runner, accelerated: Runner, inputs: Arrays) -> Arrays:
        """Run a batch on whichever is right for it."""
        if inputs[0].shape[0] < self.from_rows or not self.guard.may_run():
            return cpu.run(inputs)
        try:
            outputs = accelerated.run(inputs)
        except Exception as error:  # noqa: BLE001  # whatever a driver or library says: the batch is answered
            outputs = cpu.run(inputs)  # a batch that fails here too is not the device's fault
            self._failed(error, inputs[0].shape[0])
            return outputs
        if self.guard.ran():
            _LOG.info("device_recovered", model=self._name, backend=self.accelerated.name)
        return outputs

    def _failed(self, error: Exception, rows: int) -> None:
        reason = reason_of(error)
        message = next(iter(str(error).strip().splitlines()), type(error).__name__)
        self.guard.failed(reason, message)
        self._fell_back(reason)
        _LOG.warning(
            "device_failed",
            model=self._name,
            backend=self.accelerated.name,
            rows=rows,
            reason=reason,
            error=message,
            lost=self.guard.is_lost,
        )


class SwitchingRunner:
    """Runs one graph on one thread at a time, on either side in memory that is used again."""

    def __init__(self, backend: SwitchingBackend) -> None:
        self._backend = backend
        self._cpu = backend.cpu.runner()
        self._accelerated = backend.accelerated.runner()

    def run(self, inputs: Arrays) -> Arrays:
        """Run the graph; the answer is valid until the next run."""
        return self._backend.run_on(self._cpu, self._accelerated, inputs)
