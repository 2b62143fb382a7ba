"""ONNX Runtime: a graph on a device, and the reason for the device."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import onnxruntime as ort

from headrace.core.errors import (
    CorruptedError,
    HeadraceError,
    InvalidInputError,
    UnavailableError,
    UnimplementedError,
)
from headrace.serving.batching.tickets import Arrays
from headrace.serving.config import Device
from headrace.serving.runtime.backend import Placement, Runner
from headrace.serving.runtime.bound import BoundRunner, bind, run_in_place
from headrace.serving.runtime.node_placement import STRICT, in_words, nodes_by_provider, strangers
from headrace.serving.runtime.placement import CPU_PROVIDER, CUDA_PROVIDER, choose_placement
from headrace.serving.runtime.row_limits import rows_of_a_run
from headrace.serving.runtime.signature import read_signature, samples, zeros

if TYPE_CHECKING:
    from headrace_kernels.cuda.device import DeviceArray

_FATAL_ONLY = 4

WIDE_TRIALS = (64, 256, 1024)
"""Rows with which several threads are tried against one."""

CUDA_OPTIONS = {"use_tf32": "0"}
"""TF32, which is on unless told otherwise, would round the factors of float32 products to 10 bits."""

WIDE_GAIN = 1.3
"""Several threads are used from so many rows on where they take this many times less than one."""


class Session:
    """One graph, ready to run; safe to run from several threads.

    On CUDA every node is: a graph of which ONNX Runtime would run a part on the CPU is refused.

    Args:
        model: the ONNX graph.
        device: where it shall run.
        name: whose graph it is, for messages.
        threads: threads that one large batch may use; small batches use one, which is faster.

    Raises:
        CorruptedError: the bytes are no graph that ONNX Runtime can run.
        UnimplementedError: the graph does not take rows.
        UnavailableError: CUDA cannot be used where it is required, or not for the whole graph.
    """

    name = "onnxruntime"

    def __init__(self, model: bytes, *, device: Device, name: str, threads: int = 1) -> None:
        self._name = name
        self.placement = place(model, device)
        self._session = self._open(model, threads=1)
        self._most_rows = self._rows_that_fit()
        nodes = self._session.get_inputs(), self._session.get_outputs()
        self.inputs, self.outputs, self._piece_rows = read_signature(name, *nodes)
        # Converters declare wrong rows at times ([1] for a label a row); memory is given for none of those.
        self._outputs_are_rows = all(node.shape and not isinstance(node.shape[0], int) for node in nodes[1])
        self._input_names = [tensor.name for tensor in self.inputs]
        self._output_names = [tensor.name for tensor in self.outputs]
        self._texts = any(tensor.datatype == "BYTES" for tensor in self.inputs)
        self._bfloats = any(tensor.datatype == "BF16" for tensor in (*self.inputs, *self.outputs))
        if self._bfloats:
            self._check_bfloats()
        self._wide: ort.InferenceSession | None = None
        self._wide_rows = 0
        self._bound = self._can_bind()
        if threads > 1 and self._bound and not self._bfloats:
            self._widen(model, threads)
        self.details: Mapping[str, str] = {
            "threads": f"1, from {self._wide_rows} rows {threads}" if self._wide is not None else "1",
            "io_binding": "yes" if self._bound else "no",
            "rows_a_run": "any" if self._piece_rows is None else str(self._piece_rows),
        }
        if self.placement.device == "cuda":
            self.placement = Placement("cuda", nodes=self._verify_nodes())
            self.details = {"cuda_nodes": self.placement.nodes, "cuda_rows_a_run": str(self._most_rows or "any")}

    def run(self, inputs: Arrays) -> Arrays:
        """Run the graph.

        Args:
            inputs: one array an input, in the graph's order, all of n rows, in the dtypes the graph declares.

        Returns:
            One array an output, in the graph's order, each of n rows.

        Raises:
            InvalidInputError: a string is not UTF-8.
            HeadraceError: an output does not have the rows that came in.
        """
        rows = inputs[0].shape[0]
        if self._piece_rows is not None:
            return self._run_pieces(inputs, rows, self._piece_rows)
        most = self._most_rows
        if most is None or rows <= most:
            return self._run_once(inputs, rows)
        starts = range(0, rows, most)
        parts = [self._run_once(tuple(a[i : i + most] for a in inputs), min(most, rows - i)) for i in starts]
        return tuple(np.concatenate(each) for each in zip(*parts, strict=True))

    def run_there(self, rows: DeviceArray) -> Arrays:
        """Run a graph of one input on rows in the memory of the device it runs on; answers come to the host.

        Args:
            rows: float32[n_rows, n_features], C-contiguous.

        Returns:
            As `run`.
        """
        most = self._most_rows or max(1, len(rows))
        parts = [run_in_place(self._session, rows[i : i + most]) for i in range(0, max(1, len(rows)), most)]
        return parts[0] if len(parts) == 1 else tuple(np.concatenate(each) for each in zip(*parts, strict=True))

    def runner(self) -> Runner:
        """A runner for one thread."""
        return BoundRunner(self._session_for, self.inputs, self.outputs, self) if self._bound else self

    def _run_once(self, inputs: Arrays, rows: int) -> Arrays:
        if self._texts:
            inputs = tuple(
                _texts(a, t.name) if a.dtype == object else a for a, t in zip(inputs, self.inputs, strict=True)
            )
        if self._bfloats:
            return self._run_in_place(inputs, rows)
        outputs = self._session_for(rows).run(self._output_names, dict(zip(self._input_names, inputs, strict=True)))
        for name, output in zip(self._output_names, outputs, strict=True):
            if output.shape[:1] != (rows,):
                came = f"{output.shape[0]} rows" if output.ndim else "one value"
                raise HeadraceError(f"{self._name}: output '{name}' has {came} for {rows} rows in")
        return tuple(outputs)

    def _run_in_place(self, inputs: Arrays, rows: int) -> Arrays:
        """Run with outputs in arrays of ours: ONNX Runtime's own way out has no BF16 for NumPy."""
        inputs = tuple(np.ascontiguousarray(array) for array in inputs)
        outputs = zeros(self.outputs, rows)
        session = self._session_for(rows)
        io = bind(session, zip(self.inputs, inputs, strict=True), zip(self.outputs, outputs, strict=True))
        session.run_with_iobinding(io)
        return outputs

    def _check_bfloats(self) -> None:
        """Refuse a graph with BF16 whose answers have no place before the run."""
        tensors = (*self.inputs, *self.outputs)
        text = any(tensor.datatype == "BYTES" for tensor in tensors)
        if text or self.placement.device != "cpu" or any(-1 in tensor.shape[1:] for tensor in self.outputs):
            raise UnimplementedError(
                f"{self._name}: a graph with BF16 is run on the CPU, without strings, with outputs of known width: "
                "ONNX Runtime's Python interface reads and writes BF16 only where the memory is given beforehand"
            )

    def _run_pieces(self, inputs: Arrays, rows: int, piece_rows: int) -> Arrays:
        """Run a graph that fixes its rows piece by piece; the last piece is filled up with zeros."""
        pieces: list[Arrays] = []
        for start in range(0, rows, piece_rows):
            piece = tuple(array[start : start + piece_rows] for array in inputs)
            missing = piece_rows - piece[0].shape[0]
            if missing:
                filling = (np.zeros((missing, *array.shape[1:]), array.dtype) for array in piece)
                piece = tuple(np.concatenate(pair) for pair in zip(piece, filling, strict=True))
            pieces.append(self._run_once(piece, piece_rows))
        return tuple(np.concatenate(parts)[:rows] for parts in zip(*pieces, strict=True))

    def _session_for(self, rows: int) -> ort.InferenceSession:
        return self._session if self._wide is None or rows < self._wide_rows else self._wide

    def _open(self, model: bytes, *, threads: int) -> ort.InferenceSession:
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads  # a second one makes small batches slower: docs/decisions/0512
        options.inter_op_num_threads = 1
        options.enable_mem_pattern = False  # it remembers a plan for every number of rows, and gains nothing
        options.log_severity_level = _FATAL_ONLY
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # the CPUs are shared
        if self.placement.device == "cuda":
            return self._open_on_cuda(model, options)
        try:
            return ort.InferenceSession(model, options, providers=[CPU_PROVIDER])
        except Exception as error:
            raise CorruptedError(f"{self._name}: the graph cannot be run: {_first_line(error)}") from error

    def _open_on_cuda(self, model: bytes, options: ort.SessionOptions) -> ort.InferenceSession:
        """Open the graph with every node on CUDA, and a profile under way that will tell."""
        options.add_session_config_entry(STRICT, "1")
        options.enable_profiling = True
        options.profile_file_prefix = str(Path(tempfile.gettempdir()) / f"headrace-nodes-{os.getpid()}-{id(self):x}")
        try:
            session = ort.InferenceSession(model, options, providers=[(CUDA_PROVIDER, CUDA_OPTIONS)])
        except Exception as error:
            raise UnavailableError(
                f"ONNX Runtime does not run the whole graph on CUDA: {_first_line(error)}"
            ) from error
        return session

    def _verify_nodes(self) -> str:
        """Run a few rows and read which provider had each node.

        Raises:
            UnavailableError: one had not CUDA.
        """
        try:
            self.run(zeros(self.inputs, 2))
        except Exception as error:
            raise UnavailableError(f"the graph fails on CUDA: {_first_line(error)}") from error
        finally:
            profile = Path(self._session.end_profiling())
            nodes = nodes_by_provider(profile)
            profile.unlink()
        problem = strangers(nodes, CUDA_PROVIDER)
        if problem:
            raise UnavailableError(problem)
        return in_words(nodes)

    def _rows_that_fit(self) -> int | None:
        """Rows of a run on CUDA; None for any number."""
        if self.placement.device == "cpu":
            return None
        return rows_of_a_run(self._session.get_modelmeta().custom_metadata_map)

    def _widen(self, model: bytes, threads: int) -> None:
        """Open the graph with several threads too, and keep it where large batches run faster, to the same bits."""
        wide = self._open(model, threads=threads)
        for rows in WIDE_TRIALS:
            feeds = dict(zip(self._input_names, samples(self.inputs, rows), strict=True))
            (one_s, one), (many_s, many) = (
                _trial(session, self._output_names, feeds) for session in (self._session, wide)
            )
            if any(a.tobytes() != b.tobytes() for a, b in zip(one, many, strict=True)):
                return
            if one_s > WIDE_GAIN * many_s:
                self._wide, self._wide_rows = wide, rows
                return

    def _can_bind(self) -> bool:
        """Whether outputs can be written to memory that is there before the run: shapes known, and right."""
        tensors = (*self.inputs, *self.outputs)
        if self.placement.device != "cpu" or self._piece_rows is not None or not self._outputs_are_rows:
            return False
        return all(t.datatype != "BYTES" and -1 not in t.shape[1:] for t in tensors)


def place(model: bytes, device: Device) -> Placement:
    """Decide where a graph runs, with the ONNX Runtime that is installed; raises as `choose_placement`."""
    return choose_placement(model, device, ort.get_available_providers())


def _texts(array: npt.NDArray[Any], name: str) -> npt.NDArray[Any]:
    """Strings as ONNX Runtime takes them: it would write bytes down as Python prints them."""
    texts = np.empty(array.size, object)
    try:
        texts[:] = [element.decode() if isinstance(element, bytes) else str(element) for element in array.ravel()]
    except UnicodeDecodeError as error:
        raise InvalidInputError(f"input '{name}': a BYTES element is not UTF-8, as the graph's strings are") from error
    return texts.reshape(array.shape)


def _trial(
    session: ort.InferenceSession, outputs: list[str], feeds: dict[str, npt.NDArray[Any]]
) -> tuple[float, list[npt.NDArray[Any]]]:
    """Seconds of the fastest of three runs after one that warms up, and what came out."""
    found = session.run(outputs, feeds)
    times = []
    for _ in range(3):
        start = time.perf_counter()
        session.run(outputs, feeds)
        times.append(time.perf_counter() - start)
    return min(times), found


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
