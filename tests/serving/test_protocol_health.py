"""gRPC health and reflection, as their own clients use them."""

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
SERVICE = "inference.GRPCInferenceService"


@pytest.fixture
def server(start):
    return start()


@pytest.fixture
def channel(server):
    with grpc.insecure_channel(server[1].address) as channel:
        yield channel


def asked(name: str) -> health_pb2.HealthCheckRequest:
    return health_pb2.HealthCheckRequest(service=name)


def test_check_knows_the_server_and_its_service_and_nobody_else(channel):
    health = health_pb2_grpc.HealthStub(channel)
    for name in ("", SERVICE):
        assert health.Check(asked(name), timeout=5).status == SERVING
    with pytest.raises(grpc.RpcError) as caught:
        health.Check(asked("nobody"), timeout=5)
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND
    assert "service 'nobody' is unknown here" in caught.value.details()


def test_list_gives_every_status(server, channel):
    health = health_pb2_grpc.HealthStub(channel)
    statuses = health.List(health_pb2.HealthListRequest(), timeout=5).statuses
    assert {name: status.status for name, status in statuses.items()} == {"": SERVING, SERVICE: SERVING}
    server[0]._assembly.application.set_ready(ready=False)
    statuses = health.List(health_pb2.HealthListRequest(), timeout=5).statuses
    assert {status.status for status in statuses.values()} == {NOT_SERVING}


def test_a_watcher_of_an_unknown_service_is_told_so_and_stays(channel):
    watch = health_pb2_grpc.HealthStub(channel).Watch(asked("nobody"), timeout=20)
    assert next(watch).status == health_pb2.HealthCheckResponse.SERVICE_UNKNOWN
    watch.cancel()


def test_every_watcher_learns_every_change_once(server, channel):
    health = health_pb2_grpc.HealthStub(channel)
    watches = [health.Watch(asked(name), timeout=20) for name in ("", SERVICE)]
    assert [next(watch).status for watch in watches] == [SERVING, SERVING]
    for ready in (False, False, True):
        server[0]._assembly.application.set_ready(ready=ready)
    for watch in watches:
        assert [next(watch).status, next(watch).status] == [NOT_SERVING, SERVING]
        watch.cancel()


def test_noise_is_an_error_with_words(channel):
    call = channel.unary_unary("/grpc.health.v1.Health/Check")
    with pytest.raises(grpc.RpcError) as caught:
        call(b"\xff", timeout=5)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert caught.value.details()


def test_a_client_builds_every_message_from_reflection(channel):
    """What grpcurl does: the files are complete, and every service is found by name."""
    database = ProtoReflectionDescriptorDatabase(channel)
    assert {SERVICE, "grpc.health.v1.Health"} <= set(database.get_services())
    for symbol in (SERVICE, "inference.ModelStreamInferResponse", "grpc.health.v1.Health"):
        file = database.FindFileContainingSymbol(symbol)
        assert file.package == symbol.rpartition(".")[0]
        assert not file.dependency


@pytest.mark.parametrize("version", ["v1", "v1alpha"])
def test_both_versions_of_reflection_answer_and_say_what_is_not_there(channel, version):
    call = channel.stream_stream(
        f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo",
        request_serializer=reflection_pb2.ServerReflectionRequest.SerializeToString,
        response_deserializer=reflection_pb2.ServerReflectionResponse.FromString,
    )
    requests = [
        reflection_pb2.ServerReflectionRequest(file_by_filename="inference/inference.proto"),
        reflection_pb2.ServerReflectionRequest(file_containing_symbol="no.such.Symbol"),
        reflection_pb2.ServerReflectionRequest(list_services=""),
    ]
    file, nothing, services = call(iter(requests), timeout=10)
    assert file.file_descriptor_response.file_descriptor_proto
    assert nothing.error_response.error_code == grpc.StatusCode.NOT_FOUND.value[0]
    assert SERVICE in {service.name for service in services.list_services_response.service}
