"""The protocol's numbers, and descriptors that stay out of protobuf's default pool."""

import gc
import re
import weakref
from pathlib import Path

from google.protobuf import descriptor_pool

from headrace.serving.runtime.forest.schema import model_class
from headrace.wire import inference_pb2 as pb
from headrace.wire.methods import METHODS

PROTO = Path(__file__).parents[2] / "protos" / "inference" / "inference.proto"


def numbers(message) -> dict[str, int]:
    return {field.name: field.number for field in message.DESCRIPTOR.fields}


def test_descriptors_live_in_a_pool_of_their_own():
    """A foreign client may register the same names in this process."""
    pool = descriptor_pool.Default()
    file = pb.DESCRIPTOR.serialized_pb
    renamed = file.replace(b"inference/inference.proto", b"grpc_service_pretend.prot")
    pool.AddSerializedFile(renamed)
    assert pb.POOL is not pool
    assert pool.FindMessageTypeByName("inference.ModelInferRequest") is not pb.ModelInferRequest.DESCRIPTOR


def test_classes_of_nested_messages_stay_while_a_garbage_collector_looks_for_them():
    """A class that nobody holds may be taken apart by one thread while another gets it from protobuf."""
    request = pb.ModelInferRequest()
    request.inputs.add().parameters["a"].int64_param = 1
    nested = weakref.ref(type(request.inputs[0]))
    graph = weakref.ref(type(model_class()().graph.node.add().attribute.add()))
    del request
    gc.collect()
    assert nested() is not None
    assert graph() is not None


def test_field_numbers_are_the_protocols():
    assert numbers(pb.ModelInferRequest) == {
        "model_name": 1,
        "model_version": 2,
        "id": 3,
        "parameters": 4,
        "inputs": 5,
        "outputs": 6,
        "raw_input_contents": 7,
    }
    assert numbers(pb.ModelInferResponse)["raw_output_contents"] == 6
    assert numbers(pb.InferTensorContents)["bytes_contents"] == 8
    assert numbers(pb.InferParameter)["uint64_param"] == 5
    assert numbers(pb.ModelConfig)["model_transaction_policy"] == 19
    assert numbers(pb.ModelConfig)["response_cache"] == 24
    assert numbers(pb.ModelStatistics)["batch_stats"] == 7
    assert numbers(pb.InferStatistics)["cache_miss"] == 8
    assert (pb.TYPE_FP32, pb.TYPE_STRING, pb.TYPE_BF16) == (11, 13, 14)


def test_every_method_of_the_proto_is_declared_once():
    declared = re.findall(r"rpc (\w+)\(", PROTO.read_text())
    assert list(METHODS) == declared
    assert len(set(declared)) == 20
    assert [method.name for method in METHODS.values() if method.streaming] == ["ModelStreamInfer"]
    assert METHODS["ModelInfer"].path == "/inference.GRPCInferenceService/ModelInfer"
