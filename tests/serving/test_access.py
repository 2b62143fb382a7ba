"""Who may call what: the file of keys, the guard, and both over real connections."""

import hashlib
import time

import grpc
import numpy as np
import pytest
from structlog.testing import capture_logs

from headrace.core.clock import ManualClock
from headrace.core.errors import (
    HeadraceError,
    InvalidInputError,
    NotFoundError,
    PermissionDeniedError,
    UnauthenticatedError,
    UnavailableError,
)
from headrace.serving.access import Guard, KeyFile, make_key, read_keys
from headrace.serving.access.keyfile import LOOK_S
from headrace.serving.access.scopes import METHOD_SCOPES, OPEN, Scope, scope_of
from headrace.serving.telemetry.note import RequestNote
from headrace.serving.transport.seam import Call
from headrace.wire.methods import METHODS, SERVICE

ROW = np.ones((1, 4), np.float32)


def entry(secret, name="job", scopes=("infer", "read")):
    digest = hashlib.sha256(secret.encode()).hexdigest()
    return f'[[keys]]\nname = "{name}"\nsha256 = "{digest}"\nscopes = {list(scopes)}\n'


@pytest.fixture
def keys(tmp_path):
    """A file with a key that may infer and read, and one that may do everything."""
    path = tmp_path / "keys.toml"
    path.write_text(entry("s3cret") + entry("root", name="admin", scopes=("*",)))
    return path


def call(*metadata):
    return Call(None, lambda _: True, metadata=metadata, note=RequestNote())


class Echo:
    """An application that answers with what came."""

    def kind(self, path):
        return None

    def answer(self, path, message, call):
        return message

    def open(self, path, call, replies):
        return message_free


message_free = object()


def guard(path, clock=None):
    return Guard(Echo(), KeyFile(path, clock or ManualClock()))


def test_every_method_has_a_scope_or_is_open():
    assert set(METHODS) == set(METHOD_SCOPES) | OPEN


@pytest.mark.parametrize(
    ("path", "scope"),
    [
        ("/grpc.health.v1.Health/Check", None),
        ("/grpc.health.v1.Health/Watch", None),
        (f"/{SERVICE}/ServerLive", None),
        (f"/{SERVICE}/ModelInfer", Scope.INFER),
        (f"/{SERVICE}/ModelStreamInfer", Scope.INFER),
        (f"/{SERVICE}/ModelStatistics", Scope.READ),
        (f"/{SERVICE}/RepositoryModelUnload", Scope.CONTROL),
        (f"/{SERVICE}/AddedLater", Scope.ALL),
        ("/other.Service/ServerLive", Scope.ALL),
        ("/other.Service/ModelInfer", Scope.ALL),
        ("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", Scope.READ),
        ("", Scope.ALL),
    ],
)
def test_paths_ask_for_scopes_and_unknown_ones_for_everything(path, scope):
    assert scope_of(path) is scope


@pytest.mark.parametrize(
    "header",
    [
        ("authorization", "Bearer s3cret"),
        ("authorization", "bearer  s3cret "),
        ("x-api-key", "s3cret"),
    ],
)
def test_a_key_is_taken_from_either_header(keys, header):
    asked = call(header)
    assert guard(keys).answer(METHODS["ModelInfer"].path, b"x", asked) == b"x"
    assert asked.note.caller == "job"


@pytest.mark.parametrize(
    "headers",
    [
        (),
        (("authorization", "Basic s3cret"),),
        (("authorization", "Bearer "),),
        (("authorization", "Bearer wrong"),),
        (("x-api-key", ""),),
        (("x-api-key", "s3cret "),),
        (("x-api-key", "S3CRET"),),
        (("x-api-key-bin", b"s3cret"),),
        (("x-api-key", "\ud800"),),
    ],
)
def test_a_caller_without_a_known_key_is_unauthenticated(keys, headers):
    with pytest.raises(UnauthenticatedError, match="API key"):
        guard(keys).answer(METHODS["ModelInfer"].path, b"", call(*headers))


def test_a_key_that_lacks_the_scope_is_denied_with_its_name_and_the_scope(keys):
    with pytest.raises(PermissionDeniedError, match=r"'job' may not call RepositoryModelLoad.*'control'"):
        guard(keys).answer(METHODS["RepositoryModelLoad"].path, b"", call(("x-api-key", "s3cret")))
    assert guard(keys).answer(METHODS["RepositoryModelLoad"].path, b"x", call(("x-api-key", "root"))) == b"x"


def test_a_stream_is_guarded_as_a_call_is(keys):
    path = METHODS["ModelStreamInfer"].path
    assert guard(keys).open(path, call(("x-api-key", "s3cret")), None) is message_free
    with pytest.raises(UnauthenticatedError):
        guard(keys).open(path, call(), None)


def test_open_methods_need_no_key(keys):
    assert guard(keys).answer(METHODS["ServerLive"].path, b"x", call()) == b"x"


def test_a_changed_file_is_followed_and_a_wrong_one_is_not(keys):
    clock = ManualClock()
    guarded = guard(keys, clock)
    path = METHODS["ModelInfer"].path
    keys.write_text(entry("new"))
    guarded.answer(path, b"", call(("x-api-key", "s3cret")))  # not looked at yet
    clock.advance(LOOK_S)
    guarded.answer(path, b"", call(("x-api-key", "new")))
    with pytest.raises(UnauthenticatedError):
        guarded.answer(path, b"", call(("x-api-key", "s3cret")))
    with capture_logs() as events:
        keys.write_text("[[keys]]\nname = 3\n")
        clock.advance(LOOK_S)
        guarded.answer(path, b"", call(("x-api-key", "new")))
        keys.unlink()
        clock.advance(LOOK_S)
        guarded.answer(path, b"", call(("x-api-key", "new")))
    assert [event["event"] for event in events].count("access_file_refused") == 2


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", r"has no \[\[keys\]\]"),
        ("keys = 3", r"has no \[\[keys\]\]"),
        ("keys = []", r"has no \[\[keys\]\]"),
        ("keys = [3]", "key 1 of .* is no table"),
        ("[[keys", "is no TOML"),
        ("kees = 1", "has 'kees'"),
        ('[[keys]]\nname = "a"', "sha256 is not 64 hexadecimal digits"),
        ('[[keys]]\nname = ""\nsha256 = "a"', "name is ''"),
        ('[[keys]]\nname = "a"\nsha265 = "a"', "has 'sha265'; allowed: name, sha256, scopes"),
        (entry("a", scopes=()), r"scopes is \[\]"),
        (entry("a", scopes=("inferr",)), r"scopes is \['inferr'\]; allowed: a list of infer, read, control, \*"),
        (entry("a") + entry("b"), "two keys with the same name"),
        (entry("a") + entry("a", name="other"), "two keys with the same sha256"),
        ('[[keys]]\nname = "a\\u0007"\nsha256 = "a"', "name is"),
    ],
)
def test_a_wrong_file_is_refused_in_words(tmp_path, text, says):
    path = tmp_path / "keys.toml"
    path.write_text(text)
    with pytest.raises(InvalidInputError, match=says):
        read_keys(path)


def test_a_file_that_cannot_be_read_is_refused_in_words(tmp_path):
    with pytest.raises(NotFoundError, match="no file of API keys"):
        read_keys(tmp_path / "none.toml")
    with pytest.raises(UnavailableError, match="cannot be read"):
        read_keys(tmp_path)
    path = tmp_path / "keys.toml"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(InvalidInputError, match="no UTF-8"):
        read_keys(path)
    path.write_bytes(b"#" * (2 * 1024 * 1024))
    with pytest.raises(InvalidInputError, match="no file of keys"):
        read_keys(path)


def test_a_made_key_works_and_is_not_in_the_file(tmp_path):
    secret, lines = make_key("job", ("infer",))
    path = tmp_path / "keys.toml"
    path.write_text(lines)
    assert secret not in lines
    found = read_keys(path).find(secret)
    assert (found.name, found.may(Scope.INFER), found.may(Scope.READ)) == ("job", True, False)


def test_clients_need_a_key_and_its_scope_on_every_transport(start, keys):
    _server, client = start(access=keys)
    metadata = (("authorization", "Bearer s3cret"),)
    with pytest.raises(UnauthenticatedError, match="an API key and none came"):
        client.infer("late", ROW)
    stubs = {}
    with grpc.insecure_channel(client.address) as channel:
        for name in ("ModelInfer", "ModelMetadata", "RepositoryModelUnload", "ServerLive"):
            method = METHODS[name]
            stubs[name] = channel.unary_unary(method.path, lambda message: message, method.response.FromString)
        request = infer_message()
        assert stubs["ServerLive"](b"", timeout=5).live
        for _ in range(3):  # a key that was let through once is let through again, and only that one
            assert stubs["ModelInfer"](request, metadata=metadata, timeout=5).model_version == "1"
            for wrong in ((), (("authorization", "Bearer wrong"),)):
                with pytest.raises(grpc.RpcError) as caught:
                    stubs["ModelInfer"](request, metadata=wrong, timeout=5)
                assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED
        with pytest.raises(grpc.RpcError) as caught:
            stubs["RepositoryModelUnload"](b"", metadata=metadata, timeout=5)
        assert caught.value.code() is grpc.StatusCode.PERMISSION_DENIED


def test_a_key_that_is_taken_back_is_refused_within_two_seconds(start, keys):
    _server, client = start(access=keys)
    path, request = METHODS["ModelInfer"].path, infer_message()
    with grpc.insecure_channel(client.address) as channel:
        infer = channel.unary_unary(path, lambda message: message, lambda message: message)
        infer(request, metadata=(("x-api-key", "s3cret"),), timeout=5)
        infer(request, metadata=(("x-api-key", "s3cret"),), timeout=5)
        keys.write_text(entry("other"))
        changed_at = time.monotonic()
        refused = None
        while refused is None:
            assert time.monotonic() < changed_at + 2 * LOOK_S
            try:
                infer(request, metadata=(("x-api-key", "s3cret"),), timeout=5)
            except grpc.RpcError as error:
                refused = error
        assert refused.code() is grpc.StatusCode.UNAUTHENTICATED


def infer_message():
    from headrace.client.messages import InferCall

    message = InferCall("late", ROW).to_message()
    return message if isinstance(message, bytes) else message.SerializeToString()


def test_a_missing_file_of_keys_ends_the_start(world, tmp_path):
    from headrace.serving.server import Server

    with pytest.raises(HeadraceError, match="no file of API keys"):
        Server(world.config(access=tmp_path / "none.toml")).start()
