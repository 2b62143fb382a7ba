"""A ModelInfer request checked against a model's tensors; a refusal names the field, what came, what was expected."""

from __future__ import annotations

from collections.abc import Sequence

from headrace.core.errors import InvalidInputError, did_you_mean
from headrace.serving.batching.tickets import Arrays
from headrace.serving.models.version import ServedVersion
from headrace.serving.runtime.backend import Tensor
from headrace.wire import inference_pb2 as pb
from headrace.wire.tensors import Array, decode_contents, decode_raw


def decode_inputs(request: pb.ModelInferRequest, version: ServedVersion) -> Arrays:
    """Decode and check every input.

    Returns:
        One array an input, in the graph's order, all of the same number of rows.

    Raises:
        InvalidInputError: an input is unknown, twice there or missing; a datatype, shape or byte size is not the
            model's; raw and typed contents are mixed; the request has no rows or too many.
    """
    expected = version.session.inputs
    raw = request.raw_input_contents
    if raw and len(raw) != len(request.inputs):
        raise InvalidInputError(
            f"raw_input_contents has {len(raw)} entries for {len(request.inputs)} inputs; one an input is expected"
        )
    arrays: dict[str, Array] = {}
    for position, tensor in enumerate(request.inputs):
        declared = _declared(tensor, expected, arrays, version)
        shape = tuple(tensor.shape)
        _check_shape(tensor.name, shape, declared, version)
        typed = tensor.HasField("contents")
        if typed and raw:
            raise InvalidInputError(f"input '{tensor.name}' has contents beside raw_input_contents; send one of them")
        arrays[tensor.name] = (
            decode_contents(tensor.name, tensor.datatype, shape, tensor.contents)
            if not raw
            else decode_raw(tensor.name, tensor.datatype, shape, raw[position])
        )
    return _in_order(arrays, expected, version)


def output_positions(request: pb.ModelInferRequest, outputs: Sequence[Tensor]) -> list[int]:
    """Positions of the outputs to send, in the order asked for; all of them where the request names none.

    Raises:
        InvalidInputError: an output is unknown, or asked for twice.
    """
    if not request.outputs:
        return list(range(len(outputs)))
    known = {tensor.name: position for position, tensor in enumerate(outputs)}
    positions: list[int] = []
    for wanted in request.outputs:
        if wanted.name not in known:
            raise InvalidInputError(
                f"output '{wanted.name}' is unknown; the model gives: {', '.join(known)}",
                hint=did_you_mean(wanted.name, known),
            )
        if known[wanted.name] in positions:
            raise InvalidInputError(f"output '{wanted.name}' is asked for twice")
        positions.append(known[wanted.name])
    return positions


def _declared(
    tensor: pb.ModelInferRequest.InferInputTensor,
    expected: Sequence[Tensor],
    arrays: dict[str, Array],
    version: ServedVersion,
) -> Tensor:
    declared = next((candidate for candidate in expected if candidate.name == tensor.name), None)
    if declared is None:
        names = [candidate.name for candidate in expected]
        raise InvalidInputError(
            f"input '{tensor.name}' is unknown; {version.identity} takes: {', '.join(names)}",
            hint=did_you_mean(tensor.name, names),
        )
    if tensor.name in arrays:
        raise InvalidInputError(f"input '{tensor.name}' came twice")
    if tensor.datatype != declared.datatype:
        raise InvalidInputError(
            f"input '{tensor.name}' of {version.identity}: datatype {tensor.datatype or '(none)'} came, "
            f"expected {declared.datatype}"
        )
    return declared


def _check_shape(name: str, shape: tuple[int, ...], declared: Tensor, version: ServedVersion) -> None:
    fits = len(shape) == len(declared.shape) and all(
        extent >= 0 and wanted in (-1, extent) for extent, wanted in zip(shape, declared.shape, strict=True)
    )
    if not fits:
        raise InvalidInputError(
            f"input '{name}' of {version.identity}: shape {list(shape)} came, expected {list(declared.shape)} "
            "(-1 stands for any number of rows)"
        )
    limit = version.batching.max_request_rows
    if not 1 <= shape[0] <= limit:
        raise InvalidInputError(
            f"input '{name}' of {version.identity}: {shape[0]} rows came, expected 1 to {limit} in a request"
        )


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
