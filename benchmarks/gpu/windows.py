"""18 window features of 100 million events: with the data resident, and from pinned memory and back, overlapped.

Beside them the same kernels on two CPU cores, on one of the parts, in the same run; its time is scaled to all events,
which the table says. That part's features must have the same bits.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from copies import ascending, download, free_all, own_stream, pinned, upload
from findings import Finding, Setting, equal, measured, missing, skipped
from timing import seconds_median, seconds_once
from window_work import BYTES_AN_EVENT, WIDTHS_US, Kernels, World, compute_on_cpu, write_features
from window_world import make_parts, whole

from headrace_kernels.conformance.case import difference
from headrace_kernels.cuda import device
from headrace_kernels.cuda.device import OutOfMemoryError

FULL, SMOKE, EMULATED = 100_000_000, 2_000_000, 240
EVENTS_A_KEY = 20
THREADS = 2  # of the CPU, and streams of the device
N_FEATURES = 6 * len(WIDTHS_US)


def run(setting: Setting) -> Iterator[Finding]:
    """Resident, with copies one after the other, with copies overlapped; the CPU; equal bits."""
    try:
        kernels = Kernels("cuda")
    except ModuleNotFoundError as error:
        yield missing("18 window features", f"no module {error.name}")
        return
    n_events = min(setting.size(FULL, SMOKE, EMULATED), int(device.current().free_bytes * 0.8) // BYTES_AN_EVENT)
    while True:
        try:
            yield from measure(kernels, n_events, setting)
        except OutOfMemoryError as error:
            yield skipped(f"18 windows, {n_events:,} events", f"{error}; with half as many again")
            n_events //= 2
            free_all()
        else:
            return


def measure(kernels: Kernels, n_events: int, setting: Setting) -> Iterator[Finding]:
    """All of it for so many events."""
    n_parts = setting.size(8, 4, 2)
    n_events -= n_events % n_parts
    parts = make_parts(n_events, n_events // EVENTS_A_KEY, n_parts, pinned)
    out = pinned((n_events, N_FEATURES), np.float32)
    sizes = f"{n_events:,} events, {n_events // EVENTS_A_KEY:,} keys"
    cpu_s, expected = time_cpu(parts[0], setting)
    scaled_s = cpu_s * n_parts
    detail = f"{len(parts[0].codes):,} events in {cpu_s:.2f} s, all {n_events:,} scaled from them"
    yield measured("18 windows, CPU on 2 cores", scaled_s, "s", detail)
    resident_s = time_resident(kernels, parts, out, setting)
    free_all()
    yield _ratio("18 windows, resident", scaled_s / resident_s, 100, f"{resident_s * 1e3:.1f} ms for {sizes}")
    yield equal("18 windows, resident: bits", difference(expected, out[: len(expected)], "matrix"), sizes)
    out[:] = 0
    transfer_s = time_overlapped(kernels, parts, out, setting)
    detail = f"{transfer_s * 1e3:.1f} ms for {sizes} in {n_parts} parts by key, {THREADS} streams"
    yield _ratio("18 windows, with transfer", scaled_s / transfer_s, 30, detail)
    yield equal("18 windows, with transfer: bits", difference(expected, out[: len(expected)], "matrix"), sizes)


def time_cpu(part: World, setting: Setting) -> tuple[float, Any]:
    """Seconds of the CPU kernels on one part, into memory used before, and the features."""
    out = np.zeros((len(part.codes), N_FEATURES), dtype=np.float32)
    compute_on_cpu(part, WIDTHS_US, THREADS, out)
    samples = []
    for _ in range(1 if setting.is_small else 3):
        started = time.perf_counter()
        compute_on_cpu(part, WIDTHS_US, THREADS, out)
        samples.append(time.perf_counter() - started)
    return statistics.median(samples), out


def time_resident(kernels: Kernels, parts: list[World], out: Any, setting: Setting) -> float:
    """Seconds of all events as one table whose columns and matrix stay on the device; the matrix comes out once."""
    table = whole(parts)
    world = World(device.put(table.codes), device.put(table.time), device.put(table.value), table.n_keys)
    rows, matrix = ascending(len(table.codes)), device.empty(out.shape, np.float32)
    del table

    def compute() -> None:
        write_features(kernels, rows, world, 0, WIDTHS_US, matrix)

    seconds = seconds_median(compute, rounds=1 if setting.is_small else 5)
    download(matrix, out)
    device.current().synchronize()
    return seconds


def time_overlapped(kernels: Kernels, parts: list[World], out: Any, setting: Setting) -> float:
    """Seconds from columns in pinned memory to the matrix in pinned memory, parts on two streams."""
    here, size = device.current(), len(parts[0].codes)

    def compute(number: int) -> None:
        part, target = parts[number], out[number * size : (number + 1) * size]
        with own_stream(here):
            codes, moments, values = upload(part.codes), upload(part.time), upload(part.value)
            matrix = device.empty(target.shape, np.float32)
            world = World(codes, moments, values, part.n_keys)
            write_features(kernels, ascending(size), world, 0, WIDTHS_US, matrix)
            download(matrix, target)

    with ThreadPoolExecutor(1 if setting.emulated else THREADS) as pool:
        list(pool.map(compute, range(len(parts))))  # warms up
        samples = [
            seconds_once(lambda: list(pool.map(compute, range(len(parts)))))
            for _ in range(1 if setting.is_small else 5)
        ]
    return statistics.median(samples)


def _ratio(name: str, ratio: float, bar: float, detail: str) -> Finding:
    return measured(name, ratio, "x the CPU's speed", detail, bar=bar)
