"""Digests of content and stable buckets for sticky splits."""

from __future__ import annotations

import hashlib
import json
import math
from pathlib import Path
from typing import Any

SHORT_DIGEST_CHARS = 8
BUCKETS = 10_000


def digest_bytes(content: bytes) -> str:
    """SHA-256 of the bytes, 64 hexadecimal characters."""
    return hashlib.sha256(content).hexdigest()


def digest_file(path: Path) -> str:
    """SHA-256 of a file's content, read in one bounded-memory pass."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def canonical_json(value: Any) -> bytes:
    """Encode JSON data so that equal values give equal bytes in every process and on every machine.

    Keys are sorted, no spaces, UTF-8; floats use the shortest form that reads back to the same bits.

    Raises:
        ValueError: the value holds NaN or Inf, which JSON cannot carry; encode them as strings where they matter.
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def digest_json(value: Any) -> str:
    """SHA-256 of the canonical JSON encoding."""
    return digest_bytes(canonical_json(value))


def finite_or_none(value: float) -> float | None:
    """A float for JSON: NaN and Inf become null."""
    return float(value) if math.isfinite(value) else None


def stable_bucket(key: str, salt: str) -> int:
    """Bucket of a key in [0, BUCKETS), the same in every process, version and machine.

    BLAKE2b with a 64-bit digest over `salt NUL key`: sticky for as long as the salt stays, independent between salts.
    Reference: RFC 7693.
    """
    digest = hashlib.blake2b(f"{salt}\0{key}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") % BUCKETS
