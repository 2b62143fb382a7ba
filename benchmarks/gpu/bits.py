"""Conformance: every suite of `headrace_kernels.conformance`, at sizes around edges and at large ones.

Suites run side by side, each in a process of its own, since the CPU's side of them takes the time.

    python bits.py SUITE SECONDS [--smoke]     one suite, a line of JSON for each size
    python bits.py --sizes 33 257 --of scan    suites at these sizes with nothing around, for compute-sanitizer
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from findings import Finding, Setting, equal, skipped
from sections import GRACE_S, environment, until

from headrace_kernels.conformance import cases_of, run_case, suites
from headrace_kernels.conformance.case import EDGES

LARGE, LARGEST = 100_000, 2_000_000
TINY = (33,)


def run(setting: Setting) -> Iterator[Finding]:
    """Every suite at the edges, at 100,000 rows, and at 2 million while there is time."""
    if setting.emulated:
        for suite in suites():
            yield from run_suite(suite, setting)
        return
    with ThreadPoolExecutor(max(2, (os.cpu_count() or 2) // 2)) as pool:
        for done in as_completed([pool.submit(_run_beside, suite, setting) for suite in suites()]):
            yield from done.result()


def run_suite(suite: str, setting: Setting) -> Iterator[Finding]:
    """One suite, the small sizes first."""
    if setting.emulated:
        yield check_suite(suite, TINY, f"{suite}, tiny sizes", setting)
        return
    yield check_suite(suite, EDGES, f"{suite}, sizes around edges", setting)
    yield check_suite(suite, (LARGE,), f"{suite}, {LARGE:,} rows", setting)
    if not setting.smoke:
        yield check_suite(suite, (LARGEST,), f"{suite}, {LARGEST:,} rows", setting)


def check_suite(suite: str, sizes: tuple[int, ...], label: str, setting: Setting) -> Finding:
    """All cases of one suite; stops at the section's end, saying so."""
    done, problems = 0, []
    for size in sizes:
        for case in cases_of(suite, size, seed=size + 1):
            if setting.left_s < 0:
                if not problems:
                    return skipped(label, f"no time left after {done} cases, all equal")
                break
            outcome = run_case(case)
            done += 1
            if outcome.problem:
                problems.append(f"{outcome.kernel}: {outcome.label}: {outcome.problem}")
    if problems:
        return equal(label, f"{len(problems)} of {done} cases differ; {problems[0]}")
    return equal(label, "", f"{done} cases equal bit for bit")


def _run_beside(suite: str, setting: Setting) -> list[Finding]:
    """One suite in a process of its own: what it found, and what came of the process."""
    seconds = max(setting.left_s - GRACE_S, 0.0)
    command = [sys.executable, str(Path(__file__)), suite, f"{seconds:.1f}", *(["--smoke"] if setting.smoke else [])]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment())
    try:
        out, errors = child.communicate(timeout=seconds + GRACE_S)
    except subprocess.TimeoutExpired:
        child.kill()
        out, errors = child.communicate()
        return [*_read(out), skipped(f"{suite}, a large size", "a case outlasted the section's time")]
    if child.returncode:
        why = (errors.strip().splitlines() or ["it said nothing"])[-1]
        return [*_read(out), equal(f"{suite}, its process", f"it ended with {child.returncode}: {why}")]
    return _read(out)


def _read(text: str) -> list[Finding]:
    return [Finding.from_json(json.loads(line)) for line in text.splitlines() if line.startswith("{")]


def _run_sizes(sizes: list[int], names: list[str]) -> int:
    """Some suites without CuPy's pool, so that a tool sees every array's end."""
    import cupy

    cupy.cuda.set_allocator(None)
    problems = [
        f"{suite}: {outcome.problem}"
        for size in sizes
        for suite in names
        for case in cases_of(suite, size, seed=size + 1)
        if (outcome := run_case(case)).problem
    ]
    print("\n".join(problems) or "all equal")
    return 1 if problems else 0


def main() -> int:
    """A suite, or all of them at some sizes."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("suite", nargs="?")
    parser.add_argument("seconds", nargs="?", type=float, default=60.0)
    parser.add_argument("--smoke", action="store_true")
    parser.add_argument("--sizes", nargs="+", type=int)
    parser.add_argument("--of", nargs="+", default=suites(), metavar="SUITE")
    chosen = parser.parse_args()
    if chosen.sizes:
        return _run_sizes(chosen.sizes, chosen.of)
    setting = Setting(emulated=False, smoke=chosen.smoke, inputs=Path(), until=until(chosen.seconds))
    for finding in run_suite(chosen.suite, setting):
        print(json.dumps(finding.to_json()), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
