"""TLS, limits, probes and the small HTTP port."""

import http.client
import shutil
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request

import grpc
import numpy as np
import pytest
from structlog.testing import capture_logs

from headrace.client.messages import InferCall
from headrace.core.errors import InvalidInputError, NotFoundError, UnavailableError
from headrace.serving.config import Door, LimitsConfig, TlsConfig
from headrace.serving.telemetry.http_port import HttpPort, Page
from headrace.serving.transport.certificates import read_certificates
from headrace.wire.methods import METHODS

ROW = np.ones((1, 4), np.float32)
INFER = METHODS["ModelInfer"]
needs_openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificates")


def openssl(*arguments, cwd):
    subprocess.run(["openssl", *arguments], check=True, capture_output=True, cwd=cwd)


def make_certificate(folder, name):
    """A certificate for 127.0.0.1 that signs itself, and its key."""
    openssl(
        *("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"),
        *("-keyout", f"{name}.key", "-out", f"{name}.pem", "-subj", f"/CN={name}"),
        *("-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost"),
        cwd=folder,
    )
    return folder / f"{name}.pem", folder / f"{name}.key"


@pytest.fixture
def server_files(tmp_path):
    return make_certificate(tmp_path, "server")


def infer_over(channel, message=None):
    call = channel.unary_unary(INFER.path, lambda given: given, INFER.response.FromString)
    return call(message or InferCall("late", ROW).to_message().SerializeToString(), timeout=10)


def read(address, path):
    """Status and text of a page."""
    try:
        with urllib.request.urlopen(f"http://{address}{path}", timeout=5) as page:
            return page.status, page.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


@needs_openssl
def test_tls_is_spoken_and_plain_text_is_not(start, server_files):
    certificate, key = server_files
    _server, client = start(tls=TlsConfig(certificate, key))
    trusted = grpc.ssl_channel_credentials(certificate.read_bytes())
    with grpc.secure_channel(client.address, trusted) as channel:
        assert infer_over(channel).model_version == "1"
    with grpc.insecure_channel(client.address) as channel, pytest.raises(grpc.RpcError):
        infer_over(channel)


@needs_openssl
def test_mutual_tls_wants_a_certificate_that_the_authority_signed(start, server_files, tmp_path):
    certificate, key = server_files
    known, stranger = make_certificate(tmp_path, "client"), make_certificate(tmp_path, "stranger")
    _server, client = start(tls=TlsConfig(certificate, key, client_ca=known[0]))
    shown = {"known": known, "stranger": stranger, "nobody": None}
    answered = {}
    for name, files in shown.items():
        chain = (
            {} if files is None else {"private_key": files[1].read_bytes(), "certificate_chain": files[0].read_bytes()}
        )
        credentials = grpc.ssl_channel_credentials(certificate.read_bytes(), **chain)
        with grpc.secure_channel(client.address, credentials) as channel:
            try:
                answered[name] = infer_over(channel).model_version
            except grpc.RpcError as error:
                answered[name] = error.code()
    unavailable = grpc.StatusCode.UNAVAILABLE
    assert answered == {"known": "1", "stranger": unavailable, "nobody": unavailable}


@needs_openssl
def test_a_renewed_certificate_serves_the_next_connection(start, server_files, tmp_path):
    certificate, key = server_files
    _server, client = start(tls=TlsConfig(certificate, key), door=Door.GRPCIO)
    renewed = make_certificate(tmp_path, "renewed")
    for source, target in zip(renewed, server_files, strict=True):
        source.replace(target)
    with grpc.secure_channel(client.address, grpc.ssl_channel_credentials(certificate.read_bytes())) as channel:
        assert infer_over(channel).model_version == "1"
    key.write_text("broken")
    with grpc.secure_channel(client.address, grpc.ssl_channel_credentials(certificate.read_bytes())) as channel:
        assert infer_over(channel).model_version == "1", "a wrong file changes nothing"


@needs_openssl
def test_wrong_files_of_tls_are_refused_in_words(tmp_path, server_files):
    certificate, key = server_files
    other_certificate, other_key = make_certificate(tmp_path, "other")
    openssl("ec", "-in", "other.key", "-aes256", "-passout", "pass:secret", "-out", "locked.key", cwd=tmp_path)
    text = tmp_path / "text.pem"
    text.write_text("no certificate")
    refused = [
        (TlsConfig(tmp_path / "none", key), NotFoundError, "no certificate at"),
        (TlsConfig(certificate, tmp_path / "none"), NotFoundError, "no private key at"),
        (TlsConfig(certificate, key, tmp_path / "none"), NotFoundError, "no client CA at"),
        (TlsConfig(tmp_path, key), UnavailableError, "cannot be read"),
        (TlsConfig(text, key), InvalidInputError, "cannot be used"),
        (TlsConfig(certificate, text), InvalidInputError, "cannot be used"),
        (TlsConfig(certificate, other_key), InvalidInputError, "mismatch"),
        (TlsConfig(other_certificate, tmp_path / "locked.key"), InvalidInputError, "encrypted"),
        (TlsConfig(certificate, key, text), InvalidInputError, "is no PEM of certificates"),
    ]
    for tls, kind, says in refused:
        with pytest.raises(kind, match=says):
            read_certificates(tls)


def test_a_server_with_wrong_files_of_tls_does_not_start(world, tmp_path):
    from headrace.serving.server import Server

    with pytest.raises(NotFoundError, match="no certificate at"):
        Server(world.config(tls=TlsConfig(tmp_path / "a", tmp_path / "b"))).start()


def test_a_message_beyond_the_limit_is_refused(start):
    _server, client = start(limits=LimitsConfig(max_message_bytes=2048))
    with grpc.insecure_channel(client.address) as channel:
        assert infer_over(channel).model_version == "1"
        with pytest.raises(grpc.RpcError) as caught:
            infer_over(channel, b"\x0a" * 4096)
        assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert infer_over(channel).model_version == "1"


def test_header_fields_beyond_the_limit_are_refused(start):
    _server, client = start(limits=LimitsConfig(max_header_bytes=2048))
    with grpc.insecure_channel(client.address) as channel:
        call = channel.unary_unary(INFER.path, lambda given: given, INFER.response.FromString)
        with pytest.raises(grpc.RpcError) as caught:
            call(b"", metadata=(("x-long", "a" * 8192),), timeout=10)
        assert caught.value.code() in {grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.UNAVAILABLE}


@pytest.mark.slow
def test_connections_that_grow_old_are_replaced_without_a_failed_call(start):
    _server, client = start(limits=LimitsConfig(max_connection_age_s=1.0))
    until = time.monotonic() + 3.0
    while time.monotonic() < until:
        assert client.infer("late", ROW).model_version == "1"


def test_more_connections_than_allowed_are_refused(start):
    _server, client = start(limits=LimitsConfig(max_connections=2))
    client.infer("late", ROW)
    host, port = client.address.split(":")
    others = [socket.create_connection((host, int(port))) for _ in range(4)]
    try:
        for other in others:
            other.settimeout(0.5)
            other.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00")
        spoken = 0
        for other in others:
            try:
                spoken += bool(other.recv(9))
            except (TimeoutError, ConnectionError):
                continue
        assert spoken <= 1
        client.infer("late", ROW)
    finally:
        for other in others:
            other.close()


@pytest.mark.parametrize(
    "wrong",
    [{"max_message_bytes": 0}, {"max_streams": 0}, {"max_connection_age_s": 0.0}, {"keepalive_s": float("nan")}],
)
def test_limits_that_make_no_sense_are_refused(wrong):
    with pytest.raises(InvalidInputError, match=f"{next(iter(wrong))} is .*; allowed"):
        LimitsConfig(**wrong)


def test_probes_follow_the_life_of_the_server(start):
    server, client = start(drain_delay_s=0.5)
    address = server._metrics.address
    assert read(address, "/livez") == (200, "ok\n")
    assert read(address, "/readyz") == (200, "ready\n")
    drained = threading.Thread(target=server.drain)
    drained.start()
    limit = time.monotonic() + 10
    while read(address, "/readyz") != (503, "draining\n"):
        assert time.monotonic() < limit
    assert read(address, "/livez") == (200, "ok\n")
    assert client.infer("late", ROW).model_version == "1", "readiness is false first, requests are taken still"
    drained.join()


def test_readyz_is_503_while_models_load(world):
    from headrace.serving.models.source import open_source
    from headrace.serving.server import Server

    seen = []

    class Watching:
        """A source that looks at the probes while it is asked what to load."""

        def __init__(self, inner):
            self._inner = inner

        def __getattr__(self, name):
            return getattr(self._inner, name)

        def wanted(self):
            seen.append(read(server._metrics.address, "/readyz"))
            return self._inner.wanted()

    config = world.config()
    server = Server(config, source=Watching(open_source(config)))
    server.start()
    server.drain()
    assert seen[0] == (503, "starting\n")


def test_build_and_process_are_among_the_metrics(start):
    server, _client = start()
    _status, page = read(server._metrics.address, "/metrics")
    for name in ("headrace_build_info{", "process_resident_memory_bytes ", "process_open_fds ", "process_threads "):
        assert f"\n{name}" in page
    assert 'transport="' in page


def test_the_http_port_knows_its_pages_and_nothing_else():
    def broken(_accept):
        raise RuntimeError("secret")

    port = HttpPort({"/ok": lambda accept: Page(accept.encode()), "/broken": broken}, host="127.0.0.1", port=0)
    try:
        assert read(port.address, "/ok?x=1")[0] == 200
        assert read(port.address, "/other") == (404, "not found; here: /ok, /broken\n")
        with capture_logs() as events:
            status, text = read(port.address, "/broken")
        assert (status, "secret" in text) == (500, False)
        assert [event["event"] for event in events] == ["page_failed"]
        connection = http.client.HTTPConnection(port.address, timeout=5)
        connection.request("POST", "/ok", body=b"x")
        with connection.getresponse() as answer:
            assert answer.status == 501
        connection.close()
        for noise in (b"\x00\xff\r\n\r\n", b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n"):
            with socket.create_connection(port.address.split(":"), timeout=5) as client:
                client.sendall(noise)
                client.recv(100)
        assert read(port.address, "/ok")[0] == 200
    finally:
        port.close()
