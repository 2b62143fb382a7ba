"""Every datatype of the protocol through a real port and an Identity graph: what goes in comes out, raw and typed."""

from collections.abc import Iterator

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from headrace.client import Client
from headrace.core.errors import InvalidInputError
from headrace.serving import ServingConfig
from headrace.serving.config import Door
from headrace.serving.server import Server
from headrace.serving.transport.choice import native_missing
from headrace.wire import inference_pb2 as pb
from headrace.wire.tensors import DTYPES, decode_raw, encode_raw

ELEMENTS = {
    "BOOL": TensorProto.BOOL,
    "UINT8": TensorProto.UINT8,
    "UINT16": TensorProto.UINT16,
    "UINT32": TensorProto.UINT32,
    "UINT64": TensorProto.UINT64,
    "INT8": TensorProto.INT8,
    "INT16": TensorProto.INT16,
    "INT32": TensorProto.INT32,
    "INT64": TensorProto.INT64,
    "FP16": TensorProto.FLOAT16,
    "BF16": TensorProto.BFLOAT16,
    "FP32": TensorProto.FLOAT,
    "FP64": TensorProto.DOUBLE,
    "BYTES": TensorProto.STRING,
}
CONTENTS = {"BOOL": "bool_contents", "INT64": "int64_contents", "UINT64": "uint64_contents", "FP32": "fp32_contents"}
CONTENTS |= dict.fromkeys(("INT8", "INT16", "INT32"), "int_contents")
CONTENTS |= dict.fromkeys(("UINT8", "UINT16", "UINT32"), "uint_contents")
CONTENTS |= {"FP64": "fp64_contents", "BYTES": "bytes_contents"}
LIMITS = {name: np.iinfo(DTYPES[name]) for name in DTYPES if "INT" in name}


def identity(element: int, width: int | str = 2) -> bytes:
    graph = helper.make_graph(
        [helper.make_node("Identity", ["x"], ["y"])],
        "identity",
        [helper.make_tensor_value_info("x", element, ["rows", width])],
        [helper.make_tensor_value_info("y", element, ["rows", width])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)
    onnx.checker.check_model(model)
    return model.SerializeToString()


@pytest.fixture(scope="module", params=[Door.GRPCIO, Door.NATIVE], ids=["grpcio", "native"])
def client(tmp_path_factory, request) -> Iterator[Client]:
    if request.param is Door.NATIVE and (missing := native_missing(tls=False)) is not None:
        pytest.skip(missing)
    repository = tmp_path_factory.mktemp("repository")
    models = {name.lower(): identity(element) for name, element in ELEMENTS.items()}
    for name, model in (models | {"bf16-wide": identity(TensorProto.BFLOAT16, "columns")}).items():
        folder = repository / name / "1"
        folder.mkdir(parents=True)
        (folder / "model.onnx").write_bytes(model)
    server = Server(ServingConfig(repository=repository, port=0, metrics_port=None, door=request.param))
    with Client(server.start().address) as client:
        yield client
    server.drain()


def values(datatype: str) -> np.ndarray:
    """Two rows at the edges of the datatype."""
    if datatype == "BYTES":
        array = np.empty((2, 2), object)
        array[:] = [[b"", "é\u4e2d".encode()], [b"a\x00b", b"x" * 300]]
        return array
    if datatype == "BOOL":
        return np.array([[True, False], [False, True]])
    if datatype == "BF16":  # 1.0, -2.0, infinity, a NaN: bits, as NumPy has no such dtype
        return np.array([[0x3F80, 0xC000], [0x7F80, 0x7FC1]], np.uint16)
    if datatype in LIMITS:
        return np.array([[LIMITS[datatype].min, LIMITS[datatype].max], [0, 1]], DTYPES[datatype])
    return np.array([[-0.0, np.inf], [np.nan, 1e-4]], DTYPES[datatype])


def ask(client: Client, datatype: str, *, typed: bool) -> np.ndarray:
    array = values(datatype)
    message = pb.ModelInferRequest(model_name=datatype.lower())
    tensor = message.inputs.add(name="x", datatype=datatype, shape=[2, 2])
    if typed:
        getattr(tensor.contents, CONTENTS[datatype]).extend(array.ravel().tolist())
    else:
        message.raw_input_contents.append(encode_raw(array))
    answer = client._call("ModelInfer", message)
    assert [(output.name, output.datatype, list(output.shape)) for output in answer.outputs] == [
        ("y", datatype, [2, 2])
    ]
    return decode_raw("y", datatype, (2, 2), answer.raw_output_contents[0])


@pytest.mark.parametrize("datatype", ELEMENTS)
def test_raw_values_come_back_bit_by_bit(client, datatype):
    assert encode_raw(ask(client, datatype, typed=False)) == encode_raw(values(datatype))


@pytest.mark.parametrize("datatype", CONTENTS)
def test_typed_values_come_back_raw(client, datatype):
    assert encode_raw(ask(client, datatype, typed=True)) == encode_raw(values(datatype))


def test_a_bool_is_any_byte_and_comes_back_as_0_or_1(client):
    message = pb.ModelInferRequest(model_name="bool")
    message.inputs.add(name="x", datatype="BOOL", shape=[2, 2])
    message.raw_input_contents.append(b"\x00\x01\x02\xff")
    assert client._call("ModelInfer", message).raw_output_contents[0] == b"\x00\x01\x01\x01"


def test_bytes_that_are_no_text_are_refused_by_a_graph_that_takes_text(client):
    message = pb.ModelInferRequest(model_name="bytes")
    message.inputs.add(name="x", datatype="BYTES", shape=[1, 2]).contents.bytes_contents.extend([b"ok", b"\xff"])
    with pytest.raises(InvalidInputError, match=r"input 'x': element 1 is not UTF-8 \(invalid start byte at byte 0\)"):
        client._call("ModelInfer", message)


def test_a_bf16_graph_whose_answers_have_no_known_width_is_refused_with_the_reason(client):
    states = client._call("RepositoryIndex", pb.RepositoryIndexRequest()).models
    (state,) = (state for state in states if state.name == "bf16-wide")
    assert state.state == "UNAVAILABLE"
    assert "outputs of known width" in state.reason


@pytest.mark.parametrize("datatype", ELEMENTS)
def test_metadata_and_configuration_name_the_datatype(client, datatype):
    name = datatype.lower()
    (described,) = client.metadata(name).inputs
    assert (described.datatype, described.shape) == (datatype, (-1, 2))
    config = client._call("ModelConfig", pb.ModelConfigRequest(name=name)).config
    wanted = pb.TYPE_STRING if datatype == "BYTES" else pb.DataType.Value(f"TYPE_{datatype}")
    assert (config.input[0].data_type, list(config.input[0].dims)) == (wanted, [2])
