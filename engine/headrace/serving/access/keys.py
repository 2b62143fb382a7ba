"""API keys: a file of digests, never of the keys themselves.

```toml
[[keys]]
name = "scoring-job"
sha256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
scopes = ["infer", "read"]
```
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headrace.core.errors import InvalidInputError, NotFoundError, UnavailableError, did_you_mean
from headrace.serving.access.scopes import Scope

MAX_KEYS = 1000
"""A call is compared with every key, so that its time does not tell how near it came."""

MAX_FILE_BYTES = 1024 * 1024
_FIELDS = ("name", "sha256", "scopes")
_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Key:
    """One caller.

    Attributes:
        name: who it is, for logs.
        digest: SHA-256 of the key, 32 bytes.
        scopes: what it may do.
    """

    name: str
    digest: bytes
    scopes: frozenset[Scope]

    def may(self, scope: Scope) -> bool:
        """Whether the key opens methods of a scope."""
        return Scope.ALL in self.scopes or scope in self.scopes


@dataclass(frozen=True)
class Keyring:
    """All keys of a server."""

    keys: tuple[Key, ...]

    def find(self, secret: str) -> Key | None:
        """Find whose key it is; the time depends on the number of keys, not on the secret.

        A plain digest is enough: keys are long and random, so that there is nothing to guess.
        """
        digest = hashlib.sha256(secret.encode(errors="surrogatepass")).digest()
        found = None
        for key in self.keys:
            if hmac.compare_digest(key.digest, digest):
                found = key
        return found


def make_key(name: str, scopes: tuple[str, ...]) -> tuple[str, str]:
    """Make a key: the secret, which is kept nowhere, and its lines for the file.

    Raises:
        InvalidInputError: a scope is unknown, or the name is empty.
    """
    secret = secrets.token_urlsafe(32)
    digest = hashlib.sha256(secret.encode()).hexdigest()
    _key({"name": name, "sha256": digest, "scopes": list(scopes)}, "the key")
    listed = ", ".join(f'"{scope}"' for scope in scopes)
    return secret, f'[[keys]]\nname = "{name}"\nsha256 = "{digest}"\nscopes = [{listed}]\n'


def read_keys(path: Path) -> Keyring:
    """Read a file of keys.

    Raises:
        NotFoundError: there is no such file.
        UnavailableError: it cannot be read.
        InvalidInputError: it is no TOML, or no list of keys; the text names the place.
    """
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise InvalidInputError(f"{path} has more than {MAX_FILE_BYTES} bytes; that is no file of keys")
        text = path.read_bytes().decode()
        content = tomllib.loads(text)
    except FileNotFoundError as error:
        raise NotFoundError(f"no file of API keys at {path}", hint="make a key: headrace key NAME") from error
    except OSError as error:
        raise UnavailableError(f"the file of API keys {path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise InvalidInputError(f"{path} is no UTF-8 text") from error
    except tomllib.TOMLDecodeError as error:
        raise InvalidInputError(f"{path} is no TOML: {error}") from error
    return _keyring(content, path)


def _keyring(content: dict[str, Any], path: Path) -> Keyring:
    unknown = [name for name in content if name != "keys"]
    entries = content.get("keys")
    if unknown or not isinstance(entries, list) or not entries:
        found = f"'{unknown[0]}'" if unknown else "no [[keys]]"
        raise InvalidInputError(f"{path} has {found}; expected: one or more [[keys]] with {', '.join(_FIELDS)}")
    if len(entries) > MAX_KEYS:
        raise InvalidInputError(f"{path} has {len(entries)} keys; at most {MAX_KEYS} are allowed")
    keys = tuple(_key(entry, f"key {number} of {path}") for number, entry in enumerate(entries, 1))
    for attribute in ("name", "digest"):
        values = [getattr(key, attribute) for key in keys]
        if len(set(values)) < len(values):
            raise InvalidInputError(f"{path} has two keys with the same {attribute.replace('digest', 'sha256')}")
    return Keyring(keys)


def _key(entry: Any, place: str) -> Key:
    if not isinstance(entry, dict):
        raise InvalidInputError(f"{place} is no table; expected: {', '.join(_FIELDS)}")
    for field in entry:
        if field not in _FIELDS:
            hint = did_you_mean(field, _FIELDS)
            raise InvalidInputError(f"{place} has '{field}'; allowed: {', '.join(_FIELDS)}", hint=hint)
    name, digest, scopes = (entry.get(field) for field in _FIELDS)
    if not isinstance(name, str) or not name.isprintable() or not 1 <= len(name) <= 100 or '"' in name:
        raise InvalidInputError(f"{place}: name is {name!r}; expected: 1 to 100 printable characters without quotes")
    if not isinstance(digest, str) or not _DIGEST.fullmatch(digest):
        raise InvalidInputError(f"{place} ('{name}'): sha256 is not 64 hexadecimal digits, lower case")
    known = [scope.value for scope in Scope]
    if not isinstance(scopes, list) or not scopes or not all(scope in known for scope in scopes):
        raise InvalidInputError(f"{place} ('{name}'): scopes is {scopes!r}; allowed: a list of {', '.join(known)}")
    return Key(name, bytes.fromhex(digest), frozenset(Scope(scope) for scope in scopes))
