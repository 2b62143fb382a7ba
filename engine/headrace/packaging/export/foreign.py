"""A foreign ONNX graph as this project's graphs are: one float32 matrix in, one float32 score out, nothing outside.

Named scalar inputs become columns of the matrix. The graph between is not touched.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import onnx
from onnx import TensorProto, helper, numpy_helper

from headrace.core.errors import CorruptedError, InvalidInputError, UnimplementedError, did_you_mean

INPUT, OUTPUT = "features", "score"
_GIVEN = "given/"
DOMAINS = frozenset({"", "ai.onnx", "ai.onnx.ml"})
OLDEST_OPSET = 13  # Squeeze and Unsqueeze take their axes as inputs from here on
_NUMBERS = {TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.INT64, TensorProto.INT32, TensorProto.BOOL}
_SCORES = {TensorProto.FLOAT, TensorProto.DOUBLE}


@dataclass(frozen=True)
class ForeignGraph:
    """A graph that was taken over.

    Attributes:
        model: the serialised graph, `features` FP32 [-1, F] in, `score` FP32 [-1, K] out.
        width: K; -1 where the graph does not say.
    """

    model: bytes
    width: int


def take_over(content: bytes, columns: Sequence[str], *, output: str | None = None) -> ForeignGraph:
    """Check a foreign graph and give it the project's input and output.

    Args:
        content: an ONNX file.
        columns: names of the columns, in the order of the matrix; for named inputs, a name each.
        output: which output is the score; None: the only one of floats.

    Raises:
        CorruptedError: the bytes are no valid ONNX model.
        InvalidInputError: inputs and columns, or the output named, do not fit.
        UnimplementedError: the graph needs a file beside it, an operator of an unknown domain, or a type that is not
            taken.
    """
    model = _read(content)
    _check_contained(model)
    graph = model.graph
    constants = {one.name for one in graph.initializer}
    inputs = [one for one in graph.input if one.name not in constants]
    score = _score_output(graph, output)
    nodes = _matrix_inputs(inputs, columns)
    given = onnx.compose.add_prefix(model, _GIVEN).graph  # its names may be ours
    if _is_matrix(inputs, columns):
        _rename(given, f"{_GIVEN}{inputs[0].name}", INPUT)
    is_score = _type(score) == TensorProto.FLOAT and len(_shape(score)) == 2
    made_there = is_score and any(f"{_GIVEN}{score.name}" in node.output for node in given.node)
    if made_there:
        _rename(given, f"{_GIVEN}{score.name}", OUTPUT)
    nodes += [*given.node, *([] if made_there else _score(score))]
    wrapped = helper.make_graph(
        nodes,
        "headrace",
        [helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, [None, len(columns)])],
        [helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, [None, _width(score)])],
        initializer=[*given.initializer, *_constants(columns)],
        sparse_initializer=list(given.sparse_initializer),
    )
    made = helper.make_model(
        wrapped,
        opset_imports=list(model.opset_import),
        ir_version=model.ir_version,
        functions=list(model.functions),
        producer_name="headrace",
    )
    return ForeignGraph(bytes(made.SerializeToString(deterministic=True)), _width(score) or -1)


def _read(content: bytes) -> onnx.ModelProto:
    try:
        model = onnx.load_model_from_string(content)
    except Exception as error:
        raise _invalid(error) from error
    outside = _outside(model)
    if outside is not None:  # before the checker, which would look for the file
        raise UnimplementedError(
            f"constant '{outside}' is kept in a file outside of the graph",
            hint="save the model in one file: onnx.save(model, path, save_as_external_data=False)",
        )
    try:
        onnx.checker.check_model(model, full_check=True)
    except Exception as error:
        raise _invalid(error) from error
    return model


def _invalid(error: Exception) -> CorruptedError:
    first = next(iter(str(error).strip().splitlines()), type(error).__name__)
    return CorruptedError(f"this is no valid ONNX model: {first}")


def _check_contained(model: onnx.ModelProto) -> None:
    own = {function.domain for function in model.functions}
    for graph_node in [*_nodes(model.graph), *(node for function in model.functions for node in function.node)]:
        if graph_node.domain not in DOMAINS | own:
            allowed = ", ".join(sorted(DOMAINS - {""}))
            raise UnimplementedError(
                f"operator {graph_node.op_type} is of domain '{graph_node.domain}'; allowed: {allowed}",
                hint="a server cannot run operators of libraries that it does not have",
            )
    opset = next((one.version for one in model.opset_import if one.domain in {"", "ai.onnx"}), 0)
    if opset < OLDEST_OPSET:
        raise UnimplementedError(
            f"the graph is of opset {opset}; allowed: {OLDEST_OPSET} and later",
            hint="convert it: onnx.version_converter.convert_version(model, 18)",
        )


def _nodes(graph: onnx.GraphProto) -> Iterator[onnx.NodeProto]:
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            for inner in ([attribute.g] if attribute.HasField("g") else []) + list(attribute.graphs):
                yield from _nodes(inner)


def _outside(model: onnx.ModelProto) -> str | None:
    """The name of a constant that is kept outside of the file, wherever it stands."""
    tensors = [*model.graph.initializer]
    for node in [*_nodes(model.graph), *(node for function in model.functions for node in function.node)]:
        for attribute in node.attribute:
            tensors += [attribute.t] if attribute.HasField("t") else []
            tensors += list(attribute.tensors)
            for inner in ([attribute.g] if attribute.HasField("g") else []) + list(attribute.graphs):
                tensors += list(inner.initializer)
    return next((one.name or "?" for one in tensors if one.data_location == TensorProto.EXTERNAL), None)


def _matrix_inputs(inputs: Sequence[onnx.ValueInfoProto], columns: Sequence[str]) -> list[onnx.NodeProto]:
    """Nodes that make the graph's inputs from the columns of the matrix."""
    if _is_matrix(inputs, columns):
        _check_matrix(inputs[0], columns)
        return []
    names = [one.name for one in inputs]
    for column in columns:
        if column not in names:
            raise InvalidInputError(
                f"the graph has no input '{column}'; its inputs: {', '.join(names)}", hint=did_you_mean(column, names)
            )
    missing = [name for name in names if name not in columns]
    if missing:
        raise InvalidInputError(f"the schema has no column for input '{missing[0]}' of the graph")
    return [node for one in inputs for node in _scalar(one, list(columns).index(one.name))]


def _is_matrix(inputs: Sequence[onnx.ValueInfoProto], columns: Sequence[str]) -> bool:
    """Whether the only input is the matrix; one of a single column is, where the schema has one column."""
    return len(inputs) == 1 and (not _is_scalar(inputs[0]) or (len(_shape(inputs[0])) == 2 and len(columns) == 1))


def _rename(graph: onnx.GraphProto, old: str, new: str) -> None:
    """Give a value another name wherever it is made or read, in inner graphs too."""
    for node in _nodes(graph):
        for names in (node.input, node.output):
            for position, name in enumerate(names):
                if name == old:
                    names[position] = new


def _check_matrix(one: onnx.ValueInfoProto, columns: Sequence[str]) -> None:
    shape = _shape(one)
    if _type(one) != TensorProto.FLOAT or len(shape) != 2 or shape[1] not in {0, len(columns)}:
        raise InvalidInputError(
            f"input '{one.name}' is {_described(one)}; with {len(columns)} columns in the schema it must be a float32 "
            f"matrix [rows, {len(columns)}], or named inputs of one value a row"
        )


def _scalar(one: onnx.ValueInfoProto, position: int) -> list[onnx.NodeProto]:
    if not _is_scalar(one) or _type(one) not in _NUMBERS:
        raise UnimplementedError(
            f"input '{one.name}' is {_described(one)}; allowed are numbers, one a row, or a single float32 matrix",
            hint="strings and sequences have to become numbers before the model",
        )
    column, given = f"headrace_column_{position}", f"{_GIVEN}{one.name}"
    taken = helper.make_node("Gather", [INPUT, f"headrace_position_{position}"], [column], axis=1)
    if len(_shape(one)) == 2:
        return [taken, helper.make_node("Cast", [column], [given], to=_type(one))]
    flat = helper.make_node("Squeeze", [column, "headrace_axis"], [f"{column}_flat"])
    return [taken, flat, helper.make_node("Cast", [f"{column}_flat"], [given], to=_type(one))]


def _score_output(graph: onnx.GraphProto, wanted: str | None) -> onnx.ValueInfoProto:
    outputs = {one.name: one for one in graph.output}
    if wanted is not None and wanted not in outputs:
        raise InvalidInputError(
            f"the graph has no output '{wanted}'; its outputs: {', '.join(outputs)}",
            hint=did_you_mean(wanted, outputs),
        )
    floats = [one for one in outputs.values() if _type(one) in _SCORES and len(_shape(one)) in {1, 2}]
    found: list[onnx.ValueInfoProto] = [outputs[wanted]] if wanted is not None else floats
    if len(found) != 1 or found[0] not in floats:
        listed = ", ".join(f"{one.name} ({_described(one)})" for one in outputs.values())
        raise InvalidInputError(
            f"the score must be one output of floats, [rows] or [rows, K]; the graph's outputs: {listed}",
            hint="name it with --output; a classifier of scikit-learn is converted with zipmap=False",
        )
    return found[0]


def _score(one: onnx.ValueInfoProto) -> list[onnx.NodeProto]:
    column, nodes = f"{_GIVEN}{one.name}", []
    if len(_shape(one)) == 1:
        column = "headrace_score_column"
        nodes = [helper.make_node("Unsqueeze", [f"{_GIVEN}{one.name}", "headrace_axis"], [column])]
    return [*nodes, helper.make_node("Cast", [column], [OUTPUT], to=TensorProto.FLOAT)]


def _constants(columns: Sequence[str]) -> list[onnx.TensorProto]:
    import numpy as np

    positions = [
        numpy_helper.from_array(np.array([n], dtype=np.int64), f"headrace_position_{n}") for n in range(len(columns))
    ]
    return [*positions, numpy_helper.from_array(np.array([1], dtype=np.int64), "headrace_axis")]


def _type(value: onnx.ValueInfoProto) -> int:
    return int(value.type.tensor_type.elem_type) if value.type.HasField("tensor_type") else 0


def _shape(value: onnx.ValueInfoProto) -> tuple[int, ...]:
    """Sizes, 0 for any."""
    return tuple(int(one.dim_value) for one in value.type.tensor_type.shape.dim)


def _is_scalar(value: onnx.ValueInfoProto) -> bool:
    """Whether it is one value a row."""
    shape = _shape(value)
    return len(shape) == 1 or (len(shape) == 2 and shape[1] == 1)


def _width(value: onnx.ValueInfoProto) -> int | None:
    shape = _shape(value)
    return 1 if len(shape) == 1 else shape[1] or None


def _described(value: onnx.ValueInfoProto) -> str:
    if not value.type.HasField("tensor_type"):
        return "no tensor"
    shape = ", ".join(str(size or "rows" if n == 0 else size or "?") for n, size in enumerate(_shape(value)))
    return f"{TensorProto.DataType.Name(_type(value)).lower()} [{shape}]"
