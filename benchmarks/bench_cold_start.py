"""Cold start: features of 1,000 rows in a fresh process with a filled cache, against importing the libraries alone.

The floor is `import numba, pyarrow, polars`. Measured are `headrace features build` and the same through the library.
Processes alternate, in rotating order. Checked: the matrix equals the one computed here, and nothing was compiled.

    python benchmarks/bench_cold_start.py [--smoke] [--output build/bench/cold_start.json]
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from measure import Contender, Work, measure, write_results

import headrace.features as hr
from headrace.data import table_dtypes
from headrace.features.build.warming import warm_kernels

ROWS = 1_000
BAR = 1.3
FLOOR = "import numba, pyarrow, polars"
PROJECT = """
import headrace as hr
events = hr.EventTable("events", keys=["key"], event_time="moment", resolution=2**-6)
values = [hr.Sum(), hr.Mean(), hr.Std(), hr.Min(), hr.Max()]
windows = hr.windows(events, by="key", over=["1h", "24h", "7d"], values={None: [hr.Count()], "value": values})
features = hr.FeatureSet("cold", spine=events, at="moment", features=[windows])
"""
LIBRARY = """
from pathlib import Path
from headrace.features.build import build
from headrace.pipeline.feature_inputs import open_features
inputs = open_features(Path("project.py"), tables=["events=events.arrow"], home=Path("nowhere"))
build(inputs.plan, inputs.sources, Path("library.npy"))
"""
COUNT = """
import json, runpy, sys
runpy.run_path("library.py")
from headrace.features.build.warming import compilations
print(json.dumps(compilations()))
"""


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--smoke", action="store_true")
    parser.add_argument("--output", type=Path, default=Path("build/bench/cold_start.json"))
    chosen = parser.parse_args()
    warmed = warm_kernels()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        expected = prepare(folder)
        compiled, loaded = json.loads(run(folder, "-c", COUNT))
        assert compiled == 0, f"{compiled} kernels were compiled although the cache is filled"

        def check(answers: Mapping[str, Any]) -> None:
            for answer in (answers["headrace features build"], answers["library"]):
                assert np.array_equal(answer.view(np.uint32), expected.view(np.uint32)), "the bits differ"

        result = measure(
            [
                Contender("imports alone", lambda: run(folder, "-c", FLOOR)),
                Contender("headrace features build", lambda: from_command(folder)),
                Contender("library", lambda: from_library(folder)),
            ],
            title="cold start",
            check=check,
            work=Work(1, "process"),
            rounds=2 if chosen.smoke else 15,
        )
    print(result.table())
    for contender in ("headrace features build", "library"):
        ratio = result.ratio(contender)
        print(f"{contender}: {ratio:.2f} x imports alone (bar {BAR}: {'met' if ratio <= BAR else 'not met'})")
    print(f"kernels: {loaded} from the cache, {compiled} compiled (the warming compiled {warmed.compiled})")
    write_results(chosen.output, "cold_start", [result], {"rows": ROWS, "bar": BAR, "loaded": loaded})


def prepare(folder: Path) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Project and table as files; the matrix they must give."""
    random = np.random.default_rng(3)
    at = 1_400_000_000_000_000 + random.permutation(ROWS) * 3_600_000_000
    moment = pa.array(at, pa.timestamp("us", "UTC"))
    value = np.round(random.lognormal(2, 1, ROWS) * 64) / 64
    events = pa.table({"key": random.integers(0, 40, ROWS), "moment": moment, "value": value})
    with pa.ipc.new_file(folder / "events.arrow", events.schema) as writer:
        writer.write_table(events)
    (folder / "project.py").write_text(PROJECT)
    (folder / "library.py").write_text(LIBRARY)
    declared: dict[str, Any] = {}
    exec(PROJECT, declared)  # noqa: S102  # the text above
    plan = hr.compile_plan(declared["features"], {"events": table_dtypes(events)})
    return hr.compute(plan, {"events": events}).values


def from_command(folder: Path) -> np.ndarray[Any, np.dtype[np.float32]]:
    """A build by the command line."""
    forget(folder / "command.npy")
    options = ["--table", "events=events.arrow", "-o", "command.npy"]
    run(folder, "-m", "headrace.cli.main", "features", "build", ".", *options)
    matrix: np.ndarray[Any, np.dtype[np.float32]] = np.load(folder / "command.npy")
    return matrix


def from_library(folder: Path) -> np.ndarray[Any, np.dtype[np.float32]]:
    """The same by a script."""
    forget(folder / "library.npy")
    run(folder, "library.py")
    matrix: np.ndarray[Any, np.dtype[np.float32]] = np.load(folder / "library.npy")
    return matrix


def forget(output: Path) -> None:
    """Remove a matrix that an earlier round built."""
    output.unlink(missing_ok=True)
    output.with_name(f"{output.name}.json").unlink(missing_ok=True)


def run(folder: Path, *arguments: str) -> str:
    """Run a fresh interpreter; its answer."""
    # bytecode is kept, as it is where nobody says otherwise
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    done = subprocess.run(
        [sys.executable, *arguments], cwd=folder, capture_output=True, text=True, check=False, env=environment
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


if __name__ == "__main__":
    main()
