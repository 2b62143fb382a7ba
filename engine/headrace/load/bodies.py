"""Requests as they go over the wire, made before the run begins: nothing is encoded while time is measured."""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from headrace.client import ModelDescription, TensorSpec
from headrace.core.errors import InvalidInputError
from headrace.load.plan import Content
from headrace.load.rows import random_tensor, read_rows
from headrace.wire import inference_pb2 as pb
from headrace.wire.tensors import DTYPES, encode_raw

MAX_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True)
class Bodies:
    """Distinct requests in the order they are sent in, and what they must be answered with.

    Attributes:
        framed: gRPC messages with their five-byte prefix.
        expected: raw output of each; empty where answers are not checked.
        value_bytes: 4 or 8: expected values are floats of that size; 1: compared byte by byte.
    """

    framed: tuple[bytes, ...]
    expected: tuple[bytes, ...] = ()
    value_bytes: int = 4


def prepare_bodies(content: Content, description: ModelDescription, seed: int) -> Bodies:
    """Make requests from rows, in a random order.

    Args:
        content: what they say.
        description: what the server says about the model.
        seed: of random rows and of the order.

    Raises:
        InvalidInputError: rows or right answers do not fit the model, or the model's inputs are not known.
    """
    random = np.random.default_rng(seed)
    specs = _input_specs(content, description)
    row_bytes = sum(int(np.prod(spec.shape)) * max(DTYPES[spec.datatype].itemsize, 1) for spec in specs)
    most = max(1, min(content.bodies, MAX_BYTES // max(1, row_bytes * content.rows)))
    if content.data is not None:
        tensors, count = _from_file(content, specs, most)
    else:
        count = most
        tensors = [random_tensor(spec, count * content.rows, random, nan_share=content.nan_share) for spec in specs]
    order = random.permutation(count)
    framed = tuple(_frame(content, specs, tensors, int(number)) for number in order)
    if content.expected is None:
        return Bodies(framed)
    wanted = _wanted(content, description, count)
    value_bytes = wanted.dtype.itemsize if wanted.dtype.kind == "f" and wanted.dtype.itemsize > 2 else 1
    return Bodies(framed, tuple(encode_raw(wanted[int(number)]) for number in order), value_bytes)


def _input_specs(content: Content, description: ModelDescription) -> list[TensorSpec]:
    """Inputs without the dimension of rows."""
    if content.inputs:
        return [_parse_input(text) for text in content.inputs]
    specs = [replace(spec, shape=spec.shape[1:]) for spec in description.inputs]
    if not specs:
        raise InvalidInputError(
            f"the server does not say what '{content.model}' takes", hint="name it: --input features:FP32:40"
        )
    for spec in specs:
        if spec.datatype not in DTYPES or min(spec.shape, default=1) < 1:
            raise InvalidInputError(
                f"input '{spec.name}' is {spec.datatype} of {list(spec.shape)} a row, which rows cannot be made for",
                hint=f"name it: --input {spec.name}:FP32:40",
            )
    return specs


def _parse_input(text: str) -> TensorSpec:
    name, _, rest = text.partition(":")
    datatype, _, extents = rest.partition(":")
    sizes = [extent for extent in extents.split(",") if extent]
    if not name or datatype not in DTYPES or not all(size.isdigit() and int(size) > 0 for size in sizes):
        raise InvalidInputError(f"the input '{text}' is not NAME:DATATYPE:EXTENT", hint="such as features:FP32:40")
    return TensorSpec(name, datatype, tuple(map(int, sizes)))


def _from_file(content: Content, specs: list[TensorSpec], most: int) -> tuple[list[npt.NDArray[Any]], int]:
    if len(specs) != 1:
        names = ", ".join(spec.name for spec in specs)
        raise InvalidInputError(f"--data fills one input; '{content.model}' has {len(specs)}: {names}")
    assert content.data is not None
    spec, rows = specs[0], read_rows(content.data)
    width = int(np.prod(spec.shape))
    if int(np.prod(rows.shape[1:])) != width:
        raise InvalidInputError(
            f"{content.data} has {int(np.prod(rows.shape[1:]))} columns; input '{spec.name}' takes {width} a row"
        )
    count = _bodies_in(len(rows), content.rows, most)
    wrapped = np.take(rows, np.arange(count * content.rows), axis=0, mode="wrap")
    return [wrapped.astype(DTYPES[spec.datatype]).reshape(-1, *spec.shape)], count


def _bodies_in(n_rows: int, rows: int, most: int) -> int:
    return min(most, max(1, n_rows // rows))


def _wanted(content: Content, description: ModelDescription, count: int) -> npt.NDArray[Any]:
    """Right answers by request, before they are shuffled: [count, rows, ...]."""
    assert content.expected is not None
    assert content.data is not None
    n_rows, answers = len(read_rows(content.data)), read_rows(content.expected)
    if len(answers) != n_rows:
        raise InvalidInputError(f"{content.expected} has {len(answers)} rows, {content.data} has {n_rows}")
    known = {spec.name: spec.datatype for spec in description.outputs}
    datatype = known.get(content.output) or next(iter(known.values()), "")
    dtype = DTYPES.get(datatype, answers.dtype)
    wrapped = np.take(answers, np.arange(count * content.rows), axis=0, mode="wrap").astype(dtype)
    return wrapped.reshape(count, content.rows, *answers.shape[1:])


def _frame(content: Content, specs: list[TensorSpec], tensors: list[npt.NDArray[Any]], number: int) -> bytes:
    message = pb.ModelInferRequest(model_name=content.model, model_version=content.version)
    if content.priority:
        message.parameters["priority"].uint64_param = content.priority
    for spec, tensor in zip(specs, tensors, strict=True):
        own = tensor[number * content.rows : (number + 1) * content.rows]
        message.inputs.add(name=spec.name, datatype=spec.datatype, shape=own.shape)
        message.raw_input_contents.append(encode_raw(own))
    if content.output:
        message.outputs.add(name=content.output)
    serialized: bytes = message.SerializeToString()
    return struct.pack(">BI", 0, len(serialized)) + serialized
