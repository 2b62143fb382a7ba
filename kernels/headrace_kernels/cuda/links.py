"""Predictions of sums on the device, with the CPU's bits although powers there are the C library's.

A power computed here and one of the C library lie within a proven distance of each other (links.cu). Where all float64
within it round to the same float32, that is the answer. The others, about one row in some millions, are computed on the
host. O(width) a row; reads 8 bytes and writes 4 a score.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from headrace_kernels.cuda import device
from headrace_kernels.cuda.device import DeviceArray
from headrace_kernels.cuda.source import Source
from headrace_kernels.forests import Link, LinkRule

SOURCE = Source("links")
LEAST_MARKED = 1024
"""Rows that may be marked whatever the number of rows; beyond it one in 64."""

_EXACT = (Link.IDENTITY, Link.SQUARE)


def link_scores(scores: DeviceArray, rule: LinkRule, predictions: DeviceArray) -> None:
    """Write predictions of sums.

    Args:
        scores: [n_rows, width], float32 or float64; all arithmetic is float64.
        rule: what to do. Powers whose base is not an ordinary one, or, for SOFTMAX, not above 1, are computed on the
            host.
        predictions: float32[n_rows, width], overwritten.

    Raises:
        ValueError: the shapes differ.
        DeviceError: the device failed.
    """
    if scores.shape != predictions.shape:
        raise ValueError("predictions must have the shape of scores")
    if not len(scores):
        return
    if rule.link is not Link.SOFTMAX:  # each score for itself
        scores, predictions = scores.reshape(-1, 1), predictions.reshape(-1, 1)
    if not _is_known(rule):
        _link_on_host(scores, rule, predictions)
        return
    n, width = scores.shape
    most = max(LEAST_MARKED, n // 64)
    marked, count = device.empty(most, np.int64), device.zeros(1, np.uint64)
    log_base = 0.0 if rule.link in _EXACT else math.log(rule.base)
    SOURCE.launch(
        f"link_{_kind(scores)}", n, scores, n, width, int(rule.link), log_base, rule.divisor, most, predictions, count,
        marked,
    )  # fmt: skip
    if rule.link in _EXACT:
        return
    found = int(device.get(count)[0])
    if found > most:
        _link_on_host(scores, rule, predictions)
    elif found:
        _link_marked(scores, rule, predictions, marked[:found])


def _is_known(rule: LinkRule) -> bool:
    """Whether the device knows a rule: the bounds of links.cu hold for it."""
    if rule.link in _EXACT:
        return True
    lowest = 1.0 if rule.link is Link.SOFTMAX else 0.0  # the highest share must be the largest power
    return lowest < rule.base < math.inf and rule.base != 1.0


def _link_marked(scores: DeviceArray, rule: LinkRule, predictions: DeviceArray, marked: DeviceArray) -> None:
    n, width = len(marked), scores.shape[1]
    taken = device.empty((n, width), scores.dtype)
    SOURCE.launch(f"take_{_kind(scores)}", n * width, scores, marked, n, width, taken)
    linked = device.put(_linked(device.get(taken), rule))
    SOURCE.launch("place_f32", n * width, linked, marked, n, width, predictions)


def _link_on_host(scores: DeviceArray, rule: LinkRule, predictions: DeviceArray) -> None:
    n, width = scores.shape
    SOURCE.launch(
        "place_f32", n * width, device.put(_linked(device.get(scores), rule)), None, n, width, predictions
    )  # fmt: skip


def _linked(scores: npt.NDArray[np.float64], rule: LinkRule) -> npt.NDArray[np.float32]:
    """The CPU's predictions, by the native kernel, or by the plain one where that was not built."""
    predictions = np.empty(scores.shape, np.float32)
    try:
        from headrace_kernels.native import forest as host
    except ImportError:
        from headrace_kernels.reference import forest as host  # type: ignore[no-redef]
    host.link_scores(scores, rule, predictions)
    return predictions


def _kind(scores: DeviceArray) -> str:
    return "f64" if scores.dtype == np.float64 else "f32"
