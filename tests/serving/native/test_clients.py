"""Other people's clients over both transports, plain, with TLS, and with certificates on both sides."""

import asyncio
import contextlib
import json
import shutil
import socket
import subprocess
from pathlib import Path

import grpc
import pytest

from headrace.wire import inference_pb2 as pb
from headrace.wire.methods import METHODS

HERE = Path(__file__).parent
INFER, STREAM = METHODS["ModelInfer"], METHODS["ModelStreamInfer"]
CONTROL = {"RepositoryModelLoad", "RepositoryModelUnload"}
TRITON = HERE.parents[2] / ".venv-interop" / "bin" / "python"
HEADERS = ("-H", "content-type: application/grpc", "-H", "te: trailers")
PROTECTIONS = ("plain", "tls", "mutual")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificates"),
]


@pytest.fixture(params=PROTECTIONS)
def protection(request) -> str:
    return request.param


@pytest.fixture
def server(serve, wire_door, protection, certificates):
    if protection == "plain":
        return serve(wire_door)
    tls = {"certificate": str(certificates / "server.pem"), "key": str(certificates / "server.key")}
    if protection == "mutual":
        tls["client_ca"] = str(certificates / "ca.pem")
    return serve(wire_door, tls=tls)


def credentials(folder: Path, own: str | None = "client") -> grpc.ChannelCredentials:
    key, chain = ((folder / f"{own}.{end}").read_bytes() for end in ("key", "pem")) if own else (None, None)
    return grpc.ssl_channel_credentials((folder / "ca.pem").read_bytes(), key, chain)


def questions(ask_for) -> dict[str, bytes]:
    """A request of every unary method, by its name."""
    named = {"ModelReady", "ModelMetadata", "ModelConfig", "ModelStatistics"}
    given = {name: METHODS[name].request(name="late") for name in named} | {"ModelInfer": ask_for()}
    given["RepositoryModelLoad"] = pb.RepositoryModelLoadRequest(model_name="late")
    given["RepositoryModelUnload"] = pb.RepositoryModelUnloadRequest(model_name="nobody")
    unary = [name for name, method in METHODS.items() if not method.streaming]
    return {name: given.get(name, METHODS[name].request()).SerializeToString() for name in unary}


def tour(channel, ask_for) -> dict[str, str]:
    """Status of every unary method."""
    statuses = {}
    for name, message in questions(ask_for).items():
        try:
            channel.unary_unary(METHODS[name].path, None, METHODS[name].response.FromString)(message, timeout=20)
        except grpc.RpcError as error:
            statuses[name] = error.code().name
        else:
            statuses[name] = "OK"
    return statuses


REFUSED = {
    "RepositoryModelUnload": "NOT_FOUND",
    "SystemSharedMemoryRegister": "INVALID_ARGUMENT",
    "CudaSharedMemoryRegister": "UNIMPLEMENTED",
}


def check_tour(statuses: dict[str, str]) -> None:
    odd = {name: status for name, status in statuses.items() if status != REFUSED.get(name, "OK")}
    assert not odd


def test_grpcios_client_tours_every_method(server, protection, certificates, ask_for):
    secure = protection != "plain"
    channel = (
        grpc.secure_channel(server.address, credentials(certificates))
        if secure
        else grpc.insecure_channel(server.address)
    )
    with channel:
        check_tour(tour(channel, ask_for))
        talk = channel.stream_stream(STREAM.path, pb.ModelInferRequest.SerializeToString, STREAM.response.FromString)
        answers = list(talk(iter([ask_for(id=str(number)) for number in range(20)]), timeout=20))
        assert [answer.infer_response.id for answer in answers] == [str(number) for number in range(20)]


def test_grpcios_asynchronous_client_asks_many_things_at_once(server, protection, certificates, ask_for):
    async def ask() -> list[str]:
        secure = protection != "plain"
        given = credentials(certificates) if secure else None
        made = grpc.aio.secure_channel(server.address, given) if secure else grpc.aio.insecure_channel(server.address)
        async with made as channel:
            infer = channel.unary_unary(INFER.path, pb.ModelInferRequest.SerializeToString, INFER.response.FromString)
            answers = await asyncio.gather(*(infer(ask_for(id=str(number)), timeout=20) for number in range(100)))
            return [answer.id for answer in answers]

    assert asyncio.run(ask()) == [str(number) for number in range(100)]


@pytest.mark.parametrize("own", [None, "stranger"])
@pytest.mark.parametrize("protection", ["mutual"], indirect=True)
def test_who_has_no_certificate_of_the_authority_is_not_heard(server, certificates, ask_for, own):
    with grpc.secure_channel(server.address, credentials(certificates, own)) as channel:
        infer = channel.unary_unary(INFER.path, pb.ModelInferRequest.SerializeToString)
        with pytest.raises(grpc.RpcError) as refused:
            infer(ask_for(), timeout=10)
        assert refused.value.code() is grpc.StatusCode.UNAVAILABLE


@pytest.mark.parametrize("protection", ["tls"], indirect=True)
def test_a_tls_port_speaks_nothing_else(server, wire_door, tls_context):
    host, port = server.address.rsplit(":", 1)
    with socket.create_connection((host, int(port)), timeout=10) as plain:
        plain.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(9))
        with contextlib.suppress(ConnectionResetError):
            while plain.recv(4096):
                pass
    with (
        socket.create_connection((host, int(port)), timeout=10) as raw,
        tls_context().wrap_socket(raw, server_hostname="localhost") as secure,
    ):
        assert secure.selected_alpn_protocol() == "h2"
        assert wire_door == "grpcio" or secure.version() == "TLSv1.3"


@pytest.mark.skipif(shutil.which("h2load") is None, reason="no h2load here (Debian: nghttp2-client)")
@pytest.mark.parametrize("protection", ["plain", "tls"], indirect=True)
def test_h2load_gets_every_answer(server, protection, tmp_path, ask_for, frame_of):
    body = tmp_path / "request"
    body.write_bytes(frame_of(ask_for().SerializeToString()))
    scheme = "http" if protection == "plain" else "https"
    run = subprocess.run(
        [
            "h2load",
            "-n",
            "2000",
            "-c",
            "2",
            "-m",
            "16",
            "-d",
            body,
            *HEADERS,
            f"{scheme}://{server.address}{INFER.path}",
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert "2000 succeeded, 0 failed, 0 errored" in run.stdout, run.stdout


@pytest.mark.skipif(not TRITON.exists(), reason="no .venv-interop with tritonclient: make .venv-interop/.done")
@pytest.mark.parametrize("protection", ["plain", "tls"], indirect=True)
def test_tritonclient_tours_every_method(server, protection, certificates):
    authority = [certificates / "ca.pem"] if protection == "tls" else []
    command = [TRITON, HERE.parent / "foreign_tour.py", server.address, *authority]
    run = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert run.returncode == 0, run.stderr
    seen = json.loads(run.stdout)
    assert seen["infer"]["plain"] == seen["infer"]["compressed"] == [6.0, 22.0]
    assert seen["asynchronous"]["scores"] == [[6.0, 22.0]] * 20
    assert [kind for kind, *_ in seen["stream"]].count("error") == 1


@pytest.fixture(scope="session")
def cpp_client(tmp_path_factory) -> Path:
    """The C++ client of gRPC, built from generic_client.cc."""
    flags = subprocess.run(["pkg-config", "--cflags", "--libs", "grpc++"], capture_output=True, text=True, check=False)
    if flags.returncode != 0 or shutil.which("g++") is None:
        pytest.skip("no C++ gRPC here (Debian: libgrpc++-dev)")
    program = tmp_path_factory.mktemp("cpp") / "client"
    source = HERE / "generic_client.cc"
    subprocess.run(["g++", "-std=c++17", "-O0", source, "-o", program, *flags.stdout.split()], check=True, timeout=300)
    return program


def test_grpcs_cpp_client_tours_every_method(server, protection, certificates, cpp_client, ask_for):
    asked = questions(ask_for)
    lines = [f"{METHODS[name].path} {message.hex()}" for name, message in asked.items()]
    files = [certificates / name for name in ("ca.pem", "client.key", "client.pem")] if protection != "plain" else []
    run = subprocess.run(
        [cpp_client, server.address, *files],
        input="\n".join(lines),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert run.returncode == 0, run.stderr
    said = [json.loads(line) for line in run.stdout.splitlines()]
    names = {code.value[0]: code.name for code in grpc.StatusCode}
    check_tour({name: names[one["status"]] for name, one in zip(asked, said, strict=True)})
    assert all(one["text"] for one in said if one["status"] != 0)
    infer = pb.ModelInferResponse.FromString(bytes.fromhex(said[list(asked).index("ModelInfer")]["answer"]))
    assert infer.raw_output_contents == [b"\0\0\x80\x40"]
