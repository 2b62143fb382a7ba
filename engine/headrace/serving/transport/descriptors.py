"""Which number a listening socket gets among a process's descriptors, where the library that opens it has no say."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager

HIGH = 4096


@contextmanager
def high_descriptors() -> Iterator[None]:
    """Give what is opened meanwhile numbers above those that connections will get.

    Linux closes the highest descriptor of a killed process first. A listener that goes after its connections still
    takes those that its clients make anew to the shared port, and breaks them too; one that goes first leaves them to
    the other processes.
    """
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    high = min(limit if limit != resource.RLIM_INFINITY else HIGH, HIGH) * 15 // 16
    held = [os.open(os.devnull, os.O_RDONLY)]
    try:
        while held[-1] < high:
            held.append(os.dup(held[0]))
        yield
    finally:
        for descriptor in held:
            os.close(descriptor)
