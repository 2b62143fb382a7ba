"""The few ONNX messages that are read, as protobuf descriptors in a pool of their own.

Field numbers are ONNX's, which never change; fields that are not declared here are skipped. The pool is private, so a
process may hold the `onnx` package beside it.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

_PACKAGE = "headrace.graph"
_SCALARS = {
    "float": descriptor_pb2.FieldDescriptorProto.TYPE_FLOAT,
    "double": descriptor_pb2.FieldDescriptorProto.TYPE_DOUBLE,
    "int32": descriptor_pb2.FieldDescriptorProto.TYPE_INT32,
    "int64": descriptor_pb2.FieldDescriptorProto.TYPE_INT64,
    "string": descriptor_pb2.FieldDescriptorProto.TYPE_STRING,
    "bytes": descriptor_pb2.FieldDescriptorProto.TYPE_BYTES,
}
_MESSAGES = {
    "Model": "Graph graph=7; Opset[] opset_import=8; Function[] functions=25",
    "Opset": "string domain=1; int64 version=2",
    "Function": "string name=1",
    "Graph": "Node[] node=1; Array[] initializer=5; Value[] input=11; Value[] output=12;Sparse[] sparse_initializer=15",
    "Sparse": "Array values=1",
    "Node": "string[] input=1; string[] output=2; string op_type=4; Attribute[] attribute=5; string domain=7",
    "Attribute": "string name=1; float f=2; int64 i=3; bytes s=4; Array t=5; float[] floats=7; int64[] ints=8;"
    "bytes[] strings=9; int32 type=20",
    "Array": "int64[] dims=1; int32 data_type=2; float[] float_data=4; int32[] int32_data=5; int64[] int64_data=7;"
    "string name=8; bytes raw_data=9; double[] double_data=10; int32 data_location=14",
    "Value": "string name=1; Type type=2",
    "Type": "TensorType tensor_type=1",
    "TensorType": "int32 elem_type=1; Shape shape=2",
    "Shape": "Dimension[] dim=1",
    "Dimension": "int64 dim_value=1; string dim_param=2",
}


def model_class() -> Any:
    """The message class of a ModelProto."""
    return _classes()["Model"]


@cache
def _classes() -> dict[str, Any]:
    """Every class by name, held: see `protos/generate.py` for what happens to those that nobody holds."""
    file = descriptor_pb2.FileDescriptorProto(name="headrace_graph.proto", package=_PACKAGE, syntax="proto2")
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for field in fields.split(";"):
            _add_field(message, *field.split())
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.{name}")) for name in _MESSAGES
    }


def _add_field(message: descriptor_pb2.DescriptorProto, type_name: str, declaration: str) -> None:
    name, _, number = declaration.partition("=")
    field = message.field.add(name=name, number=int(number))
    repeated = type_name.endswith("[]")
    field.label = field.LABEL_REPEATED if repeated else field.LABEL_OPTIONAL
    element = type_name.removesuffix("[]")
    if element in _SCALARS:
        field.type = _SCALARS[element]
    else:
        field.type, field.type_name = field.TYPE_MESSAGE, f".{_PACKAGE}.{element}"
