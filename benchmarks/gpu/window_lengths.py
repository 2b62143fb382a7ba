"""What a row costs as its window grows from an hour to thirty days: it must not.

Timed are bounds and statistics of ordered events, without the sort, which no window's length touches and which would
hide what does.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from copies import ascending
from findings import Finding, Setting, measured, missing
from timing import seconds_median
from window_work import HOUR_US, Kernels, World, aggregate, prepare
from window_world import make_parts

from headrace_kernels.cuda import device

HOURS = {"1 h": 1, "24 h": 24, "7 d": 168, "30 d": 720}
BAR = 1.3


def run(setting: Setting) -> Iterator[Finding]:
    """Six statistics over one window, many keys and few, each length beside the hour."""
    try:
        kernels = Kernels("cuda")
    except ModuleNotFoundError as error:
        yield missing("window length", f"no module {error.name}")
        return
    n_events = min(setting.size(20_000_000, 1_000_000, 200), device.current().free_bytes // 1000)
    for n_keys in (max(n_events // 20, 1), max(n_events // 20_000, 2)):
        (part,) = make_parts(n_events, n_keys, 1)
        world = World(device.put(part.codes), device.put(part.time), device.put(part.value), part.n_keys)
        prepared = prepare(kernels, ascending(n_events), world, 0)
        seconds = {
            name: seconds_median(partial(aggregate, kernels, prepared, [hours * HOUR_US]), rounds=5)
            for name, hours in HOURS.items()
        }
        longest = max(seconds, key=lambda name: seconds[name])
        each = ", ".join(f"{name} {taken * 1e3:.2f} ms" for name, taken in seconds.items())
        yield _verdict(
            f"window length, {n_keys:,} keys", seconds[longest] / seconds["1 h"], f"{n_events:,} events: {each}"
        )


def _verdict(name: str, ratio: float, detail: str) -> Finding:
    finding = measured(name, ratio, "x an hour's time", detail, bar=BAR)
    return Finding(finding.name, finding.status, finding.detail, finding.figure, finding.unit, BAR, most=True)
