"""Outputs on their way to the client: which are wanted, in which order, and where their bytes go."""

from __future__ import annotations

from collections.abc import Sequence

from headrace.core.errors import InvalidInputError, did_you_mean
from headrace.serving.batching.tickets import Arrays
from headrace.serving.protocol.shared_memory import Place, SharedMemory, find_place
from headrace.serving.runtime.backend import Tensor
from headrace.wire import inference_pb2 as pb
from headrace.wire.tensors import encode_raw

Destinations = Sequence[tuple[int, Place | None]]
"""Position of each wanted output in the graph's order, and the shared memory its bytes go to; None: the response."""

CLASSIFICATION = "classification"


def read_destinations(request: pb.ModelInferRequest, outputs: Sequence[Tensor], memory: SharedMemory) -> Destinations:
    """Read which outputs a request wants, in its order; all of them where it names none.

    Raises:
        InvalidInputError: an output is unknown, asked for twice, or asked for in a form that is not here.
        NotFoundError: an output names a shared memory region that is not registered.
    """
    wanted = request.outputs
    if not wanted:
        return [(position, None) for position in range(len(outputs))]
    destinations: list[tuple[int, Place | None]] = []
    for output in wanted:
        position = _position(output.name, outputs)
        if destinations and any(position == earlier for earlier, _ in destinations):
            raise InvalidInputError(f"output '{output.name}' is asked for twice")
        place = None
        if output.parameters:
            if CLASSIFICATION in output.parameters:
                raise InvalidInputError(
                    f"output '{output.name}': parameter '{CLASSIFICATION}' came, which is no extension of this server",
                    hint="take the output itself, and sort it where it is read",
                )
            place = find_place(memory, output.parameters, f"output '{output.name}'")
        destinations.append((position, place))
    return destinations


def fill_outputs(
    response: pb.ModelInferResponse, tensors: Sequence[Tensor], outputs: Arrays, destinations: Destinations
) -> None:
    """Encode the wanted outputs: one raw entry each, empty where the bytes went to shared memory.

    Raises:
        InvalidInputError: an output does not fit the shared memory it was to go to.
    """
    for position, place in destinations:
        array, tensor = outputs[position], tensors[position]
        output = response.outputs.add(name=tensor.name, datatype=tensor.datatype, shape=array.shape)
        content = encode_raw(array)
        if place is not None:
            place.write(content, tensor.name)
            place.describe(output.parameters, len(content))
            content = b""
        response.raw_output_contents.append(content)


def _position(name: str, outputs: Sequence[Tensor]) -> int:
    for position, tensor in enumerate(outputs):
        if tensor.name == name:
            return position
    known = [tensor.name for tensor in outputs]
    raise InvalidInputError(
        f"output '{name}' is unknown; the model gives: {', '.join(known)}", hint=did_you_mean(name, known)
    )
