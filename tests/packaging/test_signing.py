"""A signature says that a key vouches for a package; no other package, key or content gets away with it."""

from __future__ import annotations

import json
import shutil
import stat
import subprocess
from datetime import UTC, datetime

import pytest

from headrace.core.errors import AlreadyExistsError, InvalidInputError, NotFoundError, PermissionDeniedError
from headrace.packaging import AliasMove, Registry
from headrace.packaging.signing import PublicKey, TrustedKeys, generate_keys, sign_digest

pytest.importorskip("cryptography", reason="needs headrace[signing]")

DIGEST, OTHER = "ab" * 32, "cd" * 32


@pytest.fixture
def make_keys(tmp_path):
    def make(name):
        generate_keys(tmp_path / f"{name}.key", tmp_path / f"{name}.pub")
        return tmp_path / f"{name}.key", tmp_path / f"{name}.pub"

    return make


def test_a_signature_holds_for_its_key_and_its_package_only(make_keys):
    (ours, public), (_, foreign) = make_keys("ours"), make_keys("foreign")
    name, signature = sign_digest(DIGEST, ours)
    key = PublicKey.read(public)
    assert name == f"{key.id}.json"
    assert key.signed(DIGEST, signature)
    assert not key.signed(OTHER, signature)
    assert not PublicKey.read(foreign).signed(DIGEST, signature)


def test_signing_twice_gives_the_same_file(make_keys):
    private, _ = make_keys("k")
    assert sign_digest(DIGEST, private) == sign_digest(DIGEST, private)


def test_a_signature_that_was_touched_is_none(make_keys):
    private, public = make_keys("k")
    _, signature = sign_digest(DIGEST, private)
    key, body = PublicKey.read(public), json.loads(signature)
    for changed in (
        {"package": OTHER}, {"key": "0" * 32}, {"format_version": 2}, {"signature": body["signature"][::-1]},
        {"signature": "?"}, {"signature": None}, {"signature": ""},
    ):  # fmt: skip
        assert not key.signed(DIGEST, json.dumps(body | changed).encode()), changed
    for content in (b"", b"[]", b"{}", b"null", b"\xff", signature[:-1]):
        assert not key.signed(DIGEST, content)


def test_the_private_key_is_readable_by_its_owner_alone_and_never_overwritten(make_keys, tmp_path):
    private, public = make_keys("k")
    assert stat.S_IMODE(private.stat().st_mode) == 0o600
    before = private.read_bytes()
    for pair in ((private, tmp_path / "new.pub"), (tmp_path / "new.key", public)):
        with pytest.raises(AlreadyExistsError, match="never overwritten"):
            generate_keys(*pair)
    assert private.read_bytes() == before
    assert not (tmp_path / "new.key").exists()


def test_keys_and_signatures_are_what_openssl_makes_and_checks(make_keys, tmp_path):
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", tmp_path / "o.key"], check=True)
    subprocess.run(["openssl", "pkey", "-in", tmp_path / "o.key", "-pubout", "-out", tmp_path / "o.pub"], check=True)
    assert PublicKey.read(tmp_path / "o.pub").signed(DIGEST, sign_digest(DIGEST, tmp_path / "o.key")[1])


@pytest.mark.parametrize("content", [b"", b"no key", b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"])
def test_a_file_that_is_no_key_is_named(tmp_path, content):
    (tmp_path / "x.pub").write_bytes(content)
    with pytest.raises(InvalidInputError, match=r"x\.pub holds no ed25519 public key"):
        PublicKey.read(tmp_path / "x.pub")


def test_a_key_of_another_kind_or_role_is_refused(make_keys, tmp_path):
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    other = ec.generate_private_key(ec.SECP256R1()).public_key()
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    (tmp_path / "ec.pub").write_bytes(other.public_bytes(serialization.Encoding.PEM, form))
    with pytest.raises(InvalidInputError, match="another kind"):
        PublicKey.read(tmp_path / "ec.pub")
    private, public = make_keys("k")
    with pytest.raises(InvalidInputError, match="no ed25519 private key"):
        sign_digest(DIGEST, public)
    with pytest.raises(InvalidInputError, match="no ed25519 public key"):
        PublicKey.read(private)
    with pytest.raises(NotFoundError, match="no key at"):
        sign_digest(DIGEST, tmp_path / "none.key")


def test_a_folder_of_keys_is_trusted_as_a_whole_and_an_empty_one_is_an_error(make_keys, tmp_path):
    private, _ = make_keys("a")
    make_keys("b")
    trusted = TrustedKeys.read([tmp_path])
    assert [key.name for key in trusted.keys] == ["a.pub", "b.pub"]
    signature = dict([sign_digest(DIGEST, private)])
    assert trusted.require("late@1", DIGEST, signature).name == "a.pub"
    with pytest.raises(PermissionDeniedError, match="late@1: no trusted key signed package cdcdcdcd"):
        trusted.require("late@1", OTHER, signature)
    (tmp_path / "empty").mkdir()
    with pytest.raises(NotFoundError, match="holds no public key"):
        TrustedKeys.read([tmp_path / "empty"])


class TestRegistryThatAsksForSignatures:
    @pytest.fixture
    def keys(self, make_keys):
        return make_keys("team")

    @pytest.fixture
    def strict(self, registry, keys, tmp_path):
        return Registry(registry.engine, tmp_path / "home", trust=TrustedKeys.read([keys[1]]))

    def move(self, registry):
        with registry.engine.begin() as tx:
            registry.set_alias(tx, AliasMove("late", "champion", 1, "ann", "better", datetime.now(UTC)))

    def test_an_unsigned_package_is_neither_loaded_nor_promoted(self, registry, strict, make_package):
        registry.register("late", make_package().path)
        with pytest.raises(PermissionDeniedError, match="late@1: no trusted key signed"):
            strict.load("late@1")
        with pytest.raises(PermissionDeniedError):
            self.move(strict)
        assert registry.aliases("late") == {}

    def test_a_package_signed_by_a_trusted_key_is(self, registry, strict, keys, make_package, make_keys):
        version = registry.register("late", make_package().path)
        registry.store.sign(version.digest, *sign_digest(version.digest, make_keys("foreign")[0]))
        with pytest.raises(PermissionDeniedError, match="it has 1 signatures"):
            strict.load("late@1")
        registry.store.sign(version.digest, *sign_digest(version.digest, keys[0]))
        self.move(strict)
        assert strict.load("late").digest == version.digest

    def test_what_is_registered_with_a_signing_key_is_signed(self, registry, strict, keys, make_package, tmp_path):
        signing = Registry(registry.engine, tmp_path / "home", signing_key=keys[0])
        signing.register("late", make_package().path)
        assert strict.load("late@1").name == "late"

    def test_a_signature_changes_no_digest(self, registry, keys, make_package):
        version = registry.register("late", make_package().path)
        registry.store.sign(version.digest, *sign_digest(version.digest, keys[0]))
        assert registry.load("late@1").digest == version.digest
        assert registry.register("late", make_package().path) == version
