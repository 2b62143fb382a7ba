"""Answers given again to equal requests, bounded in bytes: off unless asked for.

A request is looked up whole, not row by row: one lookup a request, and a request's rows were answered by one run of one
version. The key holds the digest of the version and every byte of the inputs, so that two requests share an answer only
if the same graph was given the same bits; there is no hash whose collisions could mix answers.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable

import numpy as np

from headrace.serving.batching.tickets import Arrays

ENTRY_BYTES = 600
"""What an entry takes beside its inputs and outputs: tuples, array headers, its place in the order (measured)."""


class ResponseCache:
    """Answers of all versions, least recently used first; safe from any thread.

    Invariant: the entries' bytes, keys included, are at most `limit_bytes`.

    Args:
        limit_bytes: memory for entries.
    """

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._lock = threading.Lock()
        self._entries: OrderedDict[Hashable, tuple[Arrays, int]] = OrderedDict()
        self._bytes = 0

    @property
    def bytes(self) -> int:
        """Bytes that entries take now."""
        return self._bytes

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: Hashable) -> Arrays | None:
        """The answer under a key, which is the most recently used from now on."""
        with self._lock:
            entry = self._entries.get(key)
            if entry is None:
                return None
            self._entries.move_to_end(key)
            return entry[0]

    def put(self, key: Hashable, outputs: Arrays, size_bytes: int) -> None:
        """Keep an answer, and let the oldest go where room is short; one larger than the cache is not kept."""
        if size_bytes > self._limit_bytes:
            return
        with self._lock:
            replaced = self._entries.pop(key, None)
            self._bytes += size_bytes - (replaced[1] if replaced is not None else 0)
            self._entries[key] = (outputs, size_bytes)
            while self._bytes > self._limit_bytes:
                self._bytes -= self._entries.popitem(last=False)[1][1]


class VersionCache:
    """One version's way to the cache.

    Args:
        shared: the cache of all versions.
        digest: digest of the version's content.
    """

    def __init__(self, shared: ResponseCache, digest: str) -> None:
        self._shared = shared
        self._digest = digest

    def find(self, inputs: Arrays) -> tuple[Hashable, Arrays | None]:
        """Look for an answer: the key to keep it under, and the answer, read-only, where there is one."""
        key = (self._digest, *(_content(array) for array in inputs))
        return key, self._shared.get(key)

    def keep(self, key: Hashable, inputs: Arrays, outputs: Arrays) -> None:
        """Keep a copy of an answer: the outputs may be a part of a batch, which would stay alive with it."""
        copies = tuple(np.array(output) for output in outputs)
        for copy in copies:
            copy.flags.writeable = False
        size_bytes = ENTRY_BYTES + sum(_size_bytes(array) for array in (*inputs, *copies))
        self._shared.put(key, copies, size_bytes)


def _content(array: np.ndarray) -> Hashable:
    """Everything that tells two inputs apart; strings by their own bytes, not by where they lie."""
    content = tuple(array.ravel().tolist()) if array.dtype.hasobject else array.tobytes()
    return array.dtype.str, array.shape, content


def _size_bytes(array: np.ndarray) -> int:
    if not array.dtype.hasobject:
        return array.nbytes
    return array.nbytes + sum(33 + len(element) for element in array.ravel().tolist())
