"""Requests built and responses read, the same way for the sync and the async client."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from headrace.core.errors import HeadraceError, InvalidInputError
from headrace.wire import inference_pb2 as pb
from headrace.wire.parameters import IDS, ROUTING_KEY, join_ids
from headrace.wire.tensors import Array, decode_raw, encode_raw

INPUT_NAME = "features"
MAX_MESSAGE_BYTES = 256 * 1024 * 1024


@dataclass(frozen=True)
class InferResult:
    """One answer.

    Attributes:
        scores: float32[n_rows], or float32[n_rows, n_classes] for a model of several outputs a row.
        model: name of the model that answered.
        model_version: version that answered, chosen by the server's router where the request named none.
        request_id: the request's id, as sent.
        outputs: every output by name, as the server shaped it.
    """

    scores: Array
    model: str
    model_version: str
    request_id: str
    outputs: Mapping[str, Array] = field(repr=False)


@dataclass(frozen=True)
class TensorSpec:
    """Name, protocol datatype and shape (-1: any) of a tensor."""

    name: str
    datatype: str
    shape: tuple[int, ...]


@dataclass(frozen=True)
class ModelDescription:
    """What the server says about a model."""

    name: str
    versions: tuple[str, ...]
    platform: str
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]


@dataclass(frozen=True)
class InferCall:
    """One question to a model.

    Attributes:
        model: name of the model.
        features: float32[n_rows, n_features]; NaN = missing; other real dtypes are converted.
        version: empty: the server's router chooses.
        request_id: echoed in the answer; names the predictions where `ids` are not given.
        ids: one prediction id a row.
        routing_key: what the router hashes; empty: the request id.
    """

    model: str
    features: npt.ArrayLike
    version: str = ""
    request_id: str = ""
    ids: Sequence[str] | None = None
    routing_key: str | None = None

    def to_message(self) -> pb.ModelInferRequest:
        """Encode for the wire.

        Raises:
            InvalidInputError: features are not two-dimensional numbers, or ids do not fit the rows.
        """
        features = as_features(self.features)
        message = pb.ModelInferRequest(model_name=self.model, model_version=self.version, id=self.request_id)
        message.inputs.add(name=INPUT_NAME, datatype="FP32", shape=features.shape)
        message.raw_input_contents.append(encode_raw(features))
        if self.ids is not None:
            message.parameters[IDS].string_param = join_ids(self.ids, rows=features.shape[0])
        if self.routing_key is not None:
            message.parameters[ROUTING_KEY].string_param = self.routing_key
        return message


def as_features(values: npt.ArrayLike) -> npt.NDArray[np.float32]:
    """Turn what a caller has into float32[n_rows, n_features], C-contiguous.

    Raises:
        InvalidInputError: not two-dimensional, or not numbers.
    """
    try:
        features = np.ascontiguousarray(values, dtype=np.float32)
    except (TypeError, ValueError) as error:
        raise InvalidInputError(f"features are not numbers: {error}") from error
    if np.ndim(values) != 2:
        raise InvalidInputError(
            f"features have shape {list(np.shape(values))}, expected [rows, features]",
            hint="one row is features[None, :]",
        )
    return features


def read_response(message: pb.ModelInferResponse) -> InferResult:
    """Decode an answer.

    Raises:
        HeadraceError: the server's answer is not what the protocol asks for.
    """
    if len(message.raw_output_contents) != len(message.outputs) or not message.outputs:
        raise HeadraceError(
            f"the server sent {len(message.outputs)} outputs and {len(message.raw_output_contents)} raw contents"
        )
    outputs = {
        output.name: decode_raw(output.name, output.datatype, tuple(output.shape), content)
        for output, content in zip(message.outputs, message.raw_output_contents, strict=True)
    }
    scores = next(iter(outputs.values()))
    if scores.ndim == 2 and scores.shape[1] == 1:
        scores = scores[:, 0]
    return InferResult(
        scores=scores,
        model=message.model_name,
        model_version=message.model_version,
        request_id=message.id,
        outputs=outputs,
    )


def read_metadata(message: pb.ModelMetadataResponse) -> ModelDescription:
    """Decode a model's metadata."""
    return ModelDescription(
        name=message.name,
        versions=tuple(message.versions),
        platform=message.platform,
        inputs=tuple(TensorSpec(t.name, t.datatype, tuple(t.shape)) for t in message.inputs),
        outputs=tuple(TensorSpec(t.name, t.datatype, tuple(t.shape)) for t in message.outputs),
    )
