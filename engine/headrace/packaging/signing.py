"""Signatures of packages: ed25519 over the package's digest, in detached files that say which key made them.

The message signed is the digest with a prefix, so a signature of a package is a signature of nothing else. Equal keys
and digests give equal files. `cryptography` is loaded where a key is used.
Reference: RFC 8032.
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headrace.core.errors import (
    AlreadyExistsError,
    InvalidInputError,
    NotFoundError,
    PermissionDeniedError,
    UnimplementedError,
)
from headrace.core.hashing import SHORT_DIGEST_CHARS, canonical_json, digest_bytes

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

FORMAT = "headrace-signature"
FORMAT_VERSION = 1
ALGORITHM = "ed25519"
KEY_ID_CHARS = 32
_PREFIX = b"headrace-package-digest-v1\n"


@dataclass(frozen=True)
class PublicKey:
    """A key that signatures are checked with.

    Attributes:
        raw: its 32 bytes.
        name: what it is called here: its file.
    """

    raw: bytes
    name: str

    @property
    def id(self) -> str:
        """The start of the SHA-256 of the key."""
        return digest_bytes(self.raw)[:KEY_ID_CHARS]

    @classmethod
    def read(cls, file: Path) -> PublicKey:
        """Read a PEM file, as `headrace package keygen` and OpenSSL write it.

        Raises:
            NotFoundError: no such file.
            InvalidInputError: it holds no ed25519 public key.
            UnimplementedError: cryptography is not installed.
        """
        key = _load(file, "public")
        serialization = _cryptography().serialization
        return cls(key.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw), file.name)

    def signed(self, digest: str, signature: bytes) -> bool:
        """Whether a signature file is this key's, over this package; any other content is a no."""
        public, invalid = _cryptography().public, _cryptography().invalid
        try:
            body = json.loads(signature)
            if body["format_version"] != FORMAT_VERSION or body["key"] != self.id or body["package"] != digest:
                return False
            raw = base64.b64decode(body["signature"], validate=True)
            public.from_public_bytes(self.raw).verify(raw, _message(digest))
        except (ValueError, KeyError, TypeError, invalid):
            return False
        return True


@dataclass(frozen=True)
class TrustedKeys:
    """Keys, one of which is enough."""

    keys: tuple[PublicKey, ...]

    @classmethod
    def read(cls, places: Iterable[Path]) -> TrustedKeys:
        """Read PEM files, and every `*.pub` of a folder.

        Raises:
            NotFoundError: a file is not there, or a folder holds no key.
            InvalidInputError: a file holds no ed25519 public key.
        """
        files: list[Path] = []
        for place in places:
            found = sorted(place.glob("*.pub")) if place.is_dir() else [place]
            if not found:
                raise NotFoundError(f"{place} holds no public key (*.pub)", hint="without a key nothing is trusted")
            files += found
        return cls(tuple(PublicKey.read(file) for file in files))

    def signer(self, digest: str, signatures: Mapping[str, bytes]) -> PublicKey | None:
        """The first trusted key that signed a package."""
        return next((key for key in self.keys for one in signatures.values() if key.signed(digest, one)), None)

    def require(self, what: str, digest: str, signatures: Mapping[str, bytes]) -> PublicKey:
        """Refuse a package that no trusted key signed.

        Raises:
            PermissionDeniedError: none did.
        """
        signer = self.signer(digest, signatures)
        if signer is None:
            trusted = ", ".join(f"{key.name} ({key.id[:SHORT_DIGEST_CHARS]})" for key in self.keys)
            raise PermissionDeniedError(
                f"{what}: no trusted key signed package {digest[:SHORT_DIGEST_CHARS]}; it has {len(signatures)} "
                f"signatures, trusted are: {trusted}",
                hint="sign it with `headrace package sign`, or trust the key that signed it",
            )
        return signer


def sign_digest(digest: str, key_file: Path) -> tuple[str, bytes]:
    """Sign a package's digest; the signature file's name and content.

    Raises:
        NotFoundError: no such key file.
        InvalidInputError: it holds no ed25519 private key.
        UnimplementedError: cryptography is not installed.
    """
    private: Ed25519PrivateKey = _load(key_file, "private")
    public = _public(private.public_key(), key_file.name)
    body = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "algorithm": ALGORITHM,
        "package": digest,
        "key": public.id,
        "signature": base64.b64encode(private.sign(_message(digest))).decode(),
    }
    return f"{public.id}.json", canonical_json(body)


def generate_keys(private_file: Path, public_file: Path) -> PublicKey:
    """Make a key pair: PEM files, the private one readable by its owner alone.

    Raises:
        AlreadyExistsError: one of the files is there: a key is never overwritten.
        UnimplementedError: cryptography is not installed.
    """
    for file in (private_file, public_file):
        if file.exists():
            raise AlreadyExistsError(f"{file} exists, and a key is never overwritten", hint="choose another name")
    serialization, private = _cryptography().serialization, _cryptography().private.generate()
    secret = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    shown = private.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    private_file.parent.mkdir(parents=True, exist_ok=True)
    with os.fdopen(os.open(private_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
        out.write(secret)
    public_file.write_bytes(shown)
    return _public(private.public_key(), public_file.name)


def _message(digest: str) -> bytes:
    return _PREFIX + digest.encode()


def _public(key: Ed25519PublicKey, name: str) -> PublicKey:
    serialization = _cryptography().serialization
    return PublicKey(key.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw), name)


def _load(file: Path, kind: str) -> Any:
    libraries = _cryptography()
    try:
        content = file.read_bytes()
    except OSError as error:
        raise NotFoundError(f"no key at {file}: {error.strerror}", hint="headrace package keygen NAME") from error
    try:
        if kind == "private":
            key = libraries.serialization.load_pem_private_key(content, password=None)
        else:
            key = libraries.serialization.load_pem_public_key(content)
    except (ValueError, TypeError, libraries.unsupported) as error:
        raise InvalidInputError(f"{file} holds no ed25519 {kind} key in PEM: {error}") from error
    if not isinstance(key, libraries.private if kind == "private" else libraries.public):
        raise InvalidInputError(f"{file} holds a key of another kind; allowed: ed25519 {kind} keys without a password")
    return key


@dataclass(frozen=True)
class _Libraries:
    serialization: Any
    private: Any
    public: Any
    invalid: type[Exception]
    unsupported: type[Exception]


def _cryptography() -> _Libraries:
    try:
        from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
    except ImportError as error:
        raise UnimplementedError("signatures need cryptography", hint="pip install 'headrace[signing]'") from error
    return _Libraries(serialization, Ed25519PrivateKey, Ed25519PublicKey, InvalidSignature, UnsupportedAlgorithm)
