"""compute-sanitizer over the conformance cases at a small size: bad accesses, races, unset memory, wrong barriers.

Every tool looks at some suites at a time, all of them side by side: starting up takes more than the kernels.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from findings import Finding, Setting, equal, missing, skipped

from headrace_kernels.conformance import suites

HERE = Path(__file__).parent
TOOLS = ("memcheck", "racecheck", "initcheck", "synccheck")
SIZE = "257"
GROUPS = 4
PLACES = ("/usr/local/cuda/bin", "/usr/local/cuda/compute-sanitizer")
_ERRORS = re.compile(r"(?:ERROR SUMMARY: (\d+) error|RACECHECK SUMMARY: (\d+) hazard)")


@dataclass(frozen=True)
class Look:
    """What one process of a tool said of some suites: `problem` and `lack` are empty where all is well."""

    names: Sequence[str]
    problem: str = ""
    lack: str = ""


def run(setting: Setting) -> Iterator[Finding]:
    """The four tools, in the time there is."""
    program = find_program()
    if program is None or setting.emulated:
        why = "the emulated device checks arrays' ends by itself" if setting.emulated else "no compute-sanitizer here"
        yield missing("compute-sanitizer", why)
        return
    groups, seconds = [suites()[start::GROUPS] for start in range(GROUPS)], setting.left_s - 2
    with ThreadPoolExecutor(len(TOOLS) * GROUPS) as pool:
        looks = {
            tool: [pool.submit(_look, program, tool, group, seconds) for group in groups if group] for tool in TOOLS
        }
        for tool, waiting in looks.items():
            yield _verdict(f"compute-sanitizer {tool}", [each.result() for each in waiting])


def find_program() -> str | None:
    """Where the tool is, on the path or where CUDA's packages put it."""
    found = shutil.which("compute-sanitizer")
    for place in PLACES:
        found = found or shutil.which("compute-sanitizer", path=place)
    return found


def _verdict(name: str, looks: Sequence[Look]) -> Finding:
    problems = [look.problem for look in looks if look.problem]
    if problems:
        return equal(name, "; ".join(problems))
    seen = [suite for look in looks if not look.lack for suite in look.names]
    lacks = [f"{look.lack} ({', '.join(look.names)})" for look in looks if look.lack]
    if lacks:
        return skipped(name, f"nothing found in {', '.join(seen) or 'no suite'}; {'; '.join(lacks)}")
    return equal(name, "", f"nothing found in {len(seen)} suites at {SIZE} rows")


def _look(program: str, tool: str, names: Sequence[str], seconds: float) -> Look:
    command = [program, "--tool", tool, "--error-exitcode", "9", sys.executable, str(HERE / "bits.py")]
    try:
        done = subprocess.run(
            [*command, "--sizes", SIZE, "--of", *names], capture_output=True, text=True, timeout=max(seconds, 1),
            check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return Look(names, lack=f"not done after {seconds:.0f} s")
    text = done.stdout + done.stderr
    if "not supported" in text:
        return Look(names, lack=next(line for line in text.splitlines() if "not supported" in line).strip(" ="))
    found = _ERRORS.search(text)
    errors = int(next(filter(None, found.groups()), "0")) if found else -1
    if not done.returncode and not errors:
        return Look(names)
    lines = [line.strip(" =") for line in text.splitlines() if line.startswith("=") and line.strip(" =")]
    said = next((line for line in lines if "Invalid" in line or "hazard" in line or "Error" in line), "")
    words = said or text.strip()[-200:].replace("\n", " ")
    return Look(names, problem=f"{errors} errors, exit code {done.returncode}, in {', '.join(names)}: {words}")
