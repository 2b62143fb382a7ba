"""How often a clean table raises an alarm: bootstrap resamples of a reference against that reference.

The stated rate is `AnomalySettings.alpha`: at most one table in a hundred raises any finding at all. Two worlds: 6,000
synthetic rides with 14 columns, and the 27,004 flights of January 2013 with 19 columns. Rows are drawn with
replacement and put back into the order of the source, so that a resample repeats rows, which must not look like a file
read twice. Exit code 1 where the rate's 99 % interval (Wilson) lies above the stated rate.

    python benchmarks/control_anomalies.py [--count 1000] [--output build/bench/control_anomalies.json]
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from headrace.validation.anomalies import AnomalySettings, freeze, judge_anomalies
from headrace.validation.bias import rate_interval

ROOT = Path(__file__).parents[1]


def worlds() -> dict[str, pl.DataFrame]:
    """The references."""
    rides = _module(ROOT / "tests/validation/rides.py").rides(seed=1).drop("ride")
    found = {"rides": rides}
    preparation = _module(ROOT / "examples/flights/preparation.py")
    flights = pl.read_csv(_unzipped(preparation.flights_file()), null_values=["NA"], try_parse_dates=True)
    january = flights.filter(pl.col("month") == 1).drop("year", "month")
    return found | {"flights of January": january.with_columns(pl.col("time_hour").cast(pl.Datetime("us", "UTC")))}


def control(frame: pl.DataFrame, *, count: int, seed: int = 0) -> Counter[str]:
    """Kinds of findings over so many resamples; `any` counts resamples with at least one."""
    reference = freeze(frame)
    random = np.random.default_rng(seed)
    found: Counter[str] = Counter()
    for _ in range(count):
        rows = np.sort(random.integers(0, frame.height, frame.height))
        report = judge_anomalies(frame[rows], reference)
        found.update({finding.kind for finding in report.findings})
        found["any"] += not report.clean
    return found


def main() -> int:
    """Count alarms; the exit code is 1 where they are more than stated."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--count", type=int, default=1_000)
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    stated = AnomalySettings().alpha
    results: dict[str, Any] = {}
    failed = False
    for name, frame in worlds().items():
        started = time.monotonic()
        found = control(frame, count=options.count)
        low, high = rate_interval(found["any"], options.count, confidence=0.99)
        kinds = {kind: times for kind, times in found.items() if kind != "any"}
        print(
            f"{name}: {found['any']} of {options.count} resamples raise an alarm, 99 % [{low:.2%}, {high:.2%}], stated "
            f"at most {stated:.0%} {kinds or ''} ({time.monotonic() - started:.0f} s)",
            flush=True,
        )
        results[name] = {"alarms": found["any"], "count": options.count, "low": low, "high": high, "kinds": kinds}
        failed |= low > stated
    if options.output:
        options.output.parent.mkdir(parents=True, exist_ok=True)
        options.output.write_text(json.dumps(results, indent=2) + "\n")
    return 1 if failed else 0


def _module(path: Path) -> Any:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


def _unzipped(path: Path) -> bytes:
    import zipfile

    with zipfile.ZipFile(path) as archive:
        return archive.read(archive.namelist()[0])


if __name__ == "__main__":
    sys.exit(main())
