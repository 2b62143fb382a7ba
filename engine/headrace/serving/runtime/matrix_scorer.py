"""A graph over a whole matrix, batch by batch: on the device that has it, on one that gets it, or on the CPU."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from headrace.core.errors import UnavailableError
from headrace.core.logging import get_logger
from headrace.features.device import DeviceMode, Devices
from headrace.serving.config import Device
from headrace.serving.runtime.accelerate import difference
from headrace.serving.runtime.open_backend import open_backend
from headrace.serving.runtime.session import Session

if TYPE_CHECKING:
    from headrace.serving.runtime.forest.cuda import CudaForestBackend
    from headrace_kernels.cuda.device import DeviceArray

_LOG = get_logger("serving")
BATCH_ROWS = 65_536
Scores = npt.NDArray[np.float32]


class MatrixScorer:
    """Scores matrices of one graph: the first output.

    On a device a forest has the CPU's bits. Other graphs go there only where CUDA is asked for by name: ONNX Runtime's
    answers may then differ from the CPU's in the last bit.

    Args:
        model: the ONNX graph.
        cuda_model: the same graph as operations that CUDA has, or None.
        name: whose graph it is, for messages.
        devices: CUDA devices; a graph runs on the first one.
        threads: threads that a batch may use on the CPU.

    Attributes:
        where: what computes the scores, in words.

    Raises:
        CorruptedError: the bytes are no graph that ONNX Runtime can run.
    """

    def __init__(
        self, model: bytes, cuda_model: bytes | None, *, name: str, devices: Devices, threads: int = 1
    ) -> None:
        self._name = name
        self._model = model
        self._cpu = open_backend(model, device=Device.CPU, name=name, threads=threads)
        self._there = self._open(cuda_model or model, devices)
        self.where = self._cpu.name if self._there is None else f"{self._there.name} on {devices.names}"

    def scores(self, rows: npt.NDArray[np.float32], there: DeviceArray | None) -> Iterator[tuple[int, Scores]]:
        """Score batch by batch.

        Args:
            rows: float32[n_rows, n_features], C-contiguous.
            there: the same on the first device, where it is there; it is then not copied.

        Yields:
            First row and scores, float32[n, n_outputs], of each batch.
        """
        for first in range(0, max(1, len(rows)), BATCH_ROWS):
            batch = rows[first : first + BATCH_ROWS]
            on_device = there[first : first + BATCH_ROWS] if there is not None else None
            outputs = self._run_there(batch, on_device)
            if outputs is None:
                outputs = self._cpu.run((np.ascontiguousarray(batch),))[0]
            yield first, np.asarray(outputs, np.float32).reshape(len(batch), -1)

    def _run_there(self, batch: npt.NDArray[np.float32], there: DeviceArray | None) -> npt.NDArray[Any] | None:
        if self._there is None or not len(batch):
            return None
        try:
            return (self._there.run((batch,)) if there is None else self._there.run_there(there))[0]
        except Exception as error:  # noqa: BLE001  # whatever a driver or library says: the CPU is there
            _LOG.warning("device_failed", model=self._name, rows=len(batch), error=str(error))
            self._there, self.where = None, f"{self._cpu.name}, after the device failed: {error}"
            return None

    def _open(self, cuda_model: bytes, devices: Devices) -> CudaForestBackend | Session | None:
        if not devices.devices:
            return None
        from headrace.serving.runtime.forest.cuda import open_cuda_forest

        reference = Session(self._model, device=Device.CPU, name=self._name)
        problem = ""
        for opened in (lambda: open_cuda_forest(self._model, devices.devices[0]), lambda: self._session(cuda_model)):
            try:
                found = opened()
                problem = difference(found, reference, self._model)
            except Exception as error:  # noqa: BLE001  # as above
                problem = error.message if isinstance(error, UnavailableError) else f"{type(error).__name__}: {error}"
            if not problem:
                return found
            if devices.mode is not DeviceMode.CUDA:
                break
        _LOG.warning("scored_on_cpu", model=self._name, reason=problem)
        return None

    def _session(self, cuda_model: bytes) -> Session:
        return Session(cuda_model, device=Device.CUDA, name=self._name)
