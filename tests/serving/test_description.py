"""What the server says about itself and its models."""

import threading

import grpc
import numpy as np
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from headrace.wire import inference_pb2 as pb

ROWS = np.ones((3, 4), np.float32)


def test_liveness_readiness_and_metadata(start):
    _, client = start()
    assert client._call("ServerLive", pb.ServerLiveRequest()).live
    assert client.ready()
    assert client.ready("late")
    assert client.ready("late", "1")
    assert not client.ready("late", "2")
    assert not client.ready("nobody")
    name, version, extensions = client.server()
    assert name == "headrace"
    assert version
    assert "statistics" in extensions
    described = client.metadata("late")
    assert described.versions == ("1",)
    assert [(t.name, t.datatype, t.shape) for t in described.inputs] == [("features", "FP32", (-1, 4))]
    assert [(t.name, t.datatype, t.shape) for t in described.outputs] == [("score", "FP32", (-1, 1))]


def test_the_configuration_is_derived_and_shows_the_device(start):
    _, client = start()
    config = client._call("ModelConfig", pb.ModelConfigRequest(name="late")).config
    assert config.max_batch_size == 16_384
    assert [list(tensor.dims) for tensor in config.input] == [[4]]
    assert config.input[0].data_type == pb.TYPE_FP32
    assert config.parameters["device"].string_value in {"cpu", "cuda"}
    assert len(config.parameters["digest"].string_value) == 64


def test_statistics_count_rows_requests_and_batches(start):
    _, client = start()
    for _ in range(5):
        client.infer("late", ROWS)
    (stats,) = client._call("ModelStatistics", pb.ModelStatisticsRequest(name="late")).model_stats
    assert (stats.name, stats.version) == ("late", "1")
    assert (stats.inference_count, stats.execution_count) == (15, 5)
    assert stats.inference_stats.success.count == 5
    assert stats.inference_stats.queue.count == 5
    compute = stats.inference_stats
    assert compute.compute_input.count == compute.compute_infer.count == compute.compute_output.count == 5
    assert compute.compute_infer.ns > 0
    assert [(batch.batch_size, batch.compute_infer.count) for batch in stats.batch_stats] == [(3, 5)]
    assert stats.last_inference > 1_600_000_000_000


def test_health_answers_and_watchers_learn_of_the_drain(start):
    server, client = start()
    with grpc.insecure_channel(client.address) as channel:
        health = health_pb2_grpc.HealthStub(channel)
        request = health_pb2.HealthCheckRequest(service="inference.GRPCInferenceService")
        assert health.Check(request, timeout=5).status == health_pb2.HealthCheckResponse.SERVING
        watch = health.Watch(request, timeout=20)
        assert next(watch).status == health_pb2.HealthCheckResponse.SERVING
        server._application.set_ready(ready=False)
        assert next(watch).status == health_pb2.HealthCheckResponse.NOT_SERVING
        watch.cancel()


def test_reflection_lists_the_services_and_gives_the_file(start):
    _, client = start()
    with grpc.insecure_channel(client.address) as channel:
        stub = reflection_pb2_grpc.ServerReflectionStub(channel)
        requests = [
            reflection_pb2.ServerReflectionRequest(list_services=""),
            reflection_pb2.ServerReflectionRequest(file_containing_symbol="inference.GRPCInferenceService"),
        ]
        services, file = stub.ServerReflectionInfo(iter(requests), timeout=5)
    names = {service.name for service in services.list_services_response.service}
    assert {"inference.GRPCInferenceService", "grpc.health.v1.Health"} <= names
    described = FileDescriptorProto.FromString(file.file_descriptor_response.file_descriptor_proto[0])
    assert described.name == "inference/inference.proto"


def test_open_reflection_streams_do_not_take_the_threads_of_requests(start):
    _, client = start(threads=2)
    release = threading.Event()

    def hold():
        yield reflection_pb2.ServerReflectionRequest(list_services="")
        release.wait(20)

    with grpc.insecure_channel(client.address) as channel:
        stub = reflection_pb2_grpc.ServerReflectionStub(channel)
        streams = [stub.ServerReflectionInfo(hold(), timeout=20) for _ in range(2)]
        for stream in streams:
            next(stream)
        assert client.infer("late", ROWS).model_version == "1"
        release.set()
        for stream in streams:
            assert list(stream) == []
