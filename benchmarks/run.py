"""Run every benchmark, one after the other, each in a process of its own, and put their tables on one page.

Each benchmark checks its results before it reports a time, and measures its rivals in the same run.
The page is build/bench/README.md; the figures as JSON are beside it. `--page benchmarks/README.md` writes the page that
is kept in the repository.
"""

from __future__ import annotations

import argparse
import ast
import importlib.metadata
import platform
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).parent
LIBRARIES = ("duckdb", "grpcio", "lightgbm", "numba", "numpy", "onnxruntime-gpu", "polars", "pyarrow")


def main() -> int:
    """Run what was asked for; the exit code is 1 where a benchmark failed."""
    benchmarks = {path.stem.removeprefix("bench_"): path for path in sorted(HERE.glob("bench_*.py"))}
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("names", nargs="*", help=f"which: {', '.join(benchmarks)} (all without a name)")
    parser.add_argument("--smoke", action="store_true", help="small sizes: checks the results, not the speed")
    parser.add_argument("--output", type=Path, default=Path("build/bench"))
    parser.add_argument("--page", type=Path, help="where the page goes; default: README.md in the output folder")
    chosen = parser.parse_args()
    unknown = set(chosen.names) - set(benchmarks)
    if unknown:
        parser.error(f"no benchmark '{min(unknown)}'; there are: {', '.join(benchmarks)}")
    page = [_heading(smoke=chosen.smoke)]
    failed = []
    chosen.output.mkdir(parents=True, exist_ok=True)
    for name in chosen.names or benchmarks:
        print(f"--- {name}", flush=True)
        options = ["--output", str(chosen.output / f"{name}.json"), *(["--smoke"] if chosen.smoke else [])]
        started = time.monotonic()
        run = subprocess.run(
            [sys.executable, str(benchmarks[name]), *options], stdout=subprocess.PIPE, text=True, check=False
        )
        print(run.stdout, f"({time.monotonic() - started:.0f} s)", flush=True)
        page.append(f"## {name}\n\n{_description(benchmarks[name])}\n\n```\n{run.stdout.strip()}\n```\n")
        if run.returncode != 0:
            failed.append(name)
    target = chosen.page or chosen.output / "README.md"
    target.write_text("\n".join(page))
    print(f"{len(chosen.names or benchmarks) - len(failed)} benchmarks in {target}")
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


def _heading(*, smoke: bool) -> str:
    note = " · smoke sizes: figures mean nothing" if smoke else ""
    return f"""# Benchmarks

{_environment()}{note}

`make bench` measures all of it again. Contenders take turns within one run, results are checked before and after, times
are medians, and `x` is the median of the ratios to the first contender within a round, its quartiles beside it: below 1
is faster. Machines differ and drift: read the ratios. The server beside its peers is in [serving.md](serving.md); GPUs
have a check of their own, `make gpu-check`, and their figures are in [gpu.md](gpu.md).
"""


def _description(benchmark: Path) -> str:
    """What a benchmark's docstring says, without its command line."""
    doc = ast.get_docstring(ast.parse(benchmark.read_text())) or ""
    return "\n\n".join(part for part in doc.split("\n\n") if not part.startswith("    "))


def _environment() -> str:
    versions = [f"{name} {importlib.metadata.version(name)}" for name in LIBRARIES]
    return f"{platform.machine()}, Python {platform.python_version()} · " + ", ".join(versions)


if __name__ == "__main__":
    sys.exit(main())
