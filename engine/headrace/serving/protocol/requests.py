"""A ModelInfer request checked against a model's tensors; a refusal names the field, what came, what was expected."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from headrace.core.errors import InvalidInputError, did_you_mean
from headrace.serving.batching.tickets import Arrays
from headrace.serving.models.version import ServedVersion
from headrace.serving.protocol.shared_memory import REGION, SharedMemory, find_place
from headrace.serving.runtime.backend import Tensor
from headrace.wire import inference_pb2 as pb
from headrace.wire.tensors import Array, check_raw_size, decode_contents, decode_raw


def decode_inputs(request: pb.ModelInferRequest, version: ServedVersion, memory: SharedMemory) -> Arrays:
    """Decode and check every input.

    Returns:
        One array an input, in the graph's order, all of the same number of rows; BYTES as object arrays of `str`,
        which is what ONNX Runtime takes for strings.

    Raises:
        InvalidInputError: an input is unknown, twice there or missing; a datatype, shape or byte size is not the
            model's; raw and typed contents are mixed; a string is not UTF-8; the request has no rows or too many.
        NotFoundError: an input names a shared memory region that is not registered.
    """
    expected = version.session.inputs
    source = _Contents(request, memory)
    arrays: dict[str, Array] = {}
    for tensor in request.inputs:
        name, shape = tensor.name, tuple(tensor.shape[:])  # a slice is copied at once, an iterator item by item
        declared = _declared(name, tensor.datatype, expected, version)
        if name in arrays:
            raise InvalidInputError(f"input '{name}' came twice")
        _check_shape(name, shape, declared, version)
        array = source.next(tensor, declared, shape)
        arrays[name] = _as_text(name, array) if declared.datatype == "BYTES" else array
    source.check_all_read(request)
    if len(expected) == 1 and arrays:
        return (arrays[expected[0].name],)
    return _in_order(arrays, expected, version)


class _Contents:
    """Where the inputs of one request have their values: raw entries in order, typed contents, shared memory."""

    __slots__ = ("_memory", "_raw", "_taken")

    def __init__(self, request: pb.ModelInferRequest, memory: SharedMemory) -> None:
        self._raw = raw = request.raw_input_contents
        self._memory = memory
        self._taken = 0
        if raw and len(raw) != len(request.inputs):
            self._check_count(request)

    def check_all_read(self, request: pb.ModelInferRequest) -> None:
        """Check that no raw entry is left, as where an input in shared memory has one too.

        Raises:
            InvalidInputError: one is left.
        """
        if self._taken != len(self._raw):
            self._check_count(request)

    def _check_count(self, request: pb.ModelInferRequest) -> None:
        count = sum(REGION not in tensor.parameters for tensor in request.inputs)
        if len(self._raw) != count:
            raise InvalidInputError(
                f"raw_input_contents has {len(self._raw)} entries for {count} inputs; one an input is expected"
            )

    def next(self, tensor: pb.ModelInferRequest.InferInputTensor, declared: Tensor, shape: tuple[int, ...]) -> Array:
        """Decode the next input."""
        name, raw = declared.name, self._raw
        place = find_place(self._memory, tensor.parameters, f"input '{name}'") if tensor.parameters else None
        if place is not None:
            if tensor.HasField("contents"):
                raise InvalidInputError(f"input '{name}' has contents beside shared memory; send one of them")
            check_raw_size(name, declared.datatype, shape, place.byte_size)
            return decode_raw(name, declared.datatype, shape, place.read())
        if not raw:
            return decode_contents(name, declared.datatype, shape, tensor.contents)
        if tensor.HasField("contents"):
            raise InvalidInputError(f"input '{name}' has contents beside raw_input_contents; send one of them")
        position, self._taken = self._taken, self._taken + 1
        return decode_raw(name, declared.datatype, shape, raw[position])


def _declared(name: str, datatype: str, expected: Sequence[Tensor], version: ServedVersion) -> Tensor:
    for declared in expected:
        if declared.name == name:
            if datatype != declared.datatype:
                raise InvalidInputError(
                    f"input '{name}' of {version.identity}: datatype {datatype or '(none)'} came, "
                    f"expected {declared.datatype}"
                )
            return declared
    names = [candidate.name for candidate in expected]
    raise InvalidInputError(
        f"input '{name}' is unknown; {version.identity} takes: {', '.join(names)}", hint=did_you_mean(name, names)
    )


def _check_shape(name: str, shape: tuple[int, ...], declared: Tensor, version: ServedVersion) -> None:
    wanted = declared.shape
    fits = len(shape) == len(wanted)
    for extent, allowed in zip(shape, wanted, strict=False):
        fits = fits and extent >= 0 and allowed in {-1, extent}
    if not fits:
        raise InvalidInputError(
            f"input '{name}' of {version.identity}: shape {list(shape)} came, expected {list(wanted)} "
            "(-1 stands for any number of rows)"
        )
    limit = version.batching.max_request_rows
    if not 1 <= shape[0] <= limit:
        raise InvalidInputError(
            f"input '{name}' of {version.identity}: {shape[0]} rows came, expected 1 to {limit} in a request"
        )


def _as_text(name: str, array: Array) -> Array:
    texts = np.empty(array.size, dtype=object)
    for position, element in enumerate(array.ravel()):
        try:
            texts[position] = element.decode()
        except UnicodeDecodeError as error:
            raise InvalidInputError(
                f"input '{name}': element {position} is not UTF-8 ({error.reason} at byte {error.start}), "
                "and the graph takes text"
            ) from error
    return texts.reshape(array.shape)


def _in_order(arrays: dict[str, Array], expected: Sequence[Tensor], version: ServedVersion) -> Arrays:
    missing = [tensor.name for tensor in expected if tensor.name not in arrays]
    if missing:
        raise InvalidInputError(
            f"input '{missing[0]}' is missing; {version.identity} takes: {', '.join(t.name for t in expected)}"
        )
    ordered = tuple(arrays[tensor.name] for tensor in expected)
    rows = {tensor.name: len(array) for tensor, array in zip(expected, ordered, strict=True)}
    if len(set(rows.values())) > 1:
        raise InvalidInputError(f"inputs of {version.identity} differ in rows: {rows}")
    return ordered
