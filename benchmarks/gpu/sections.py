"""The sections of the check, each run in a process of its own: one that hangs or loses the device harms no other."""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from findings import Finding, Setting, Status, missing, skipped

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
GRACE_S = 3.0
"""A section ends by itself when its time is up; this long after, it is ended."""


@dataclass(frozen=True)
class Section:
    """One section.

    Attributes:
        module: file beside this one, with `run(setting)`, which yields findings.
        title: for the table.
        budget_s: most seconds that it may take.
    """

    module: str
    title: str
    budget_s: float


SECTIONS = (
    Section("device_facts", "The device", 20),
    Section("bits", "Conformance: the CPU's bits", 130),
    Section("drills", "Fallback drills", 35),
    Section("onnx_cuda", "Forests on ONNX Runtime's CUDA provider", 40),
    Section("forest_kernel", "Forests in the CUDA kernel", 30),
    Section("scans", "Scan kernels", 15),
    Section("windows", "18 window features", 90),
    Section("window_lengths", "Cost by window length", 30),
    Section("batch_job", "A batch job", 35),
    Section("sanitizer", "compute-sanitizer", 50),
)
TOTAL_S = 465.0


def environment() -> dict[str, str]:
    """This process's, with the checkout's sources first among Python's paths."""
    paths = [str(ROOT / "kernels"), str(ROOT / "engine"), os.environ.get("PYTHONPATH", "")]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in paths if path), "PYTHONUNBUFFERED": "1"}


def run_section(section: Section, setting: Setting) -> Iterator[Finding]:
    """Run a section in a child process and give what it finds, as it finds it."""
    seconds = setting.left_s
    if seconds < 5:
        yield skipped(section.title, f"the {TOTAL_S:.0f} s of the whole check are used up")
        return
    flags = [*(["--emulate"] if setting.emulated else []), *(["--smoke"] if setting.smoke else [])]
    command = [sys.executable, str(HERE / "check.py"), "--section", section.module, "--seconds", f"{seconds:.1f}"]
    child = subprocess.Popen(
        [*command, "--inputs", str(setting.inputs), *flags],
        stdout=subprocess.PIPE, text=True, env=environment(), start_new_session=True,
    )  # fmt: skip
    overdue = threading.Event()
    timer = threading.Timer(seconds + GRACE_S, _end, (child, overdue))
    timer.start()
    assert child.stdout is not None
    try:
        for line in child.stdout:
            if line.startswith("{"):
                yield Finding.from_json(json.loads(line))
            else:
                print(line, end="", file=sys.stderr)
        code = child.wait()
    finally:
        timer.cancel()
        if child.poll() is None:
            _end(child, overdue)
            child.wait()
        child.stdout.close()
    if overdue.is_set():
        yield skipped(section.title, f"its {seconds:.0f} s were over: what is not listed was not done")
    elif code:
        yield Finding(section.title, Status.FAIL, f"the process ended with {code}: see what it printed")


def run_here(name: str, setting: Setting) -> int:
    """Run a section in this process: a line of JSON for everything it finds."""
    with contextlib.ExitStack() as stack:
        if setting.emulated:
            from emulation import emulated_device

            stack.enter_context(emulated_device())
        try:
            for finding in importlib.import_module(name).run(setting):
                print(json.dumps(setting.judged(finding).to_json()), flush=True)
        except ModuleNotFoundError as error:
            print(json.dumps(missing(_title(name), f"no module {error.name}").to_json()), flush=True)
        except Exception as error:  # noqa: BLE001  # whatever it is, it is this section's failure and a line of the table
            traceback.print_exc()
            words = f"{type(error).__name__}: {error}".splitlines()[0]
            print(json.dumps(Finding(_title(name), Status.FAIL, words).to_json()), flush=True)
    return 0


def until(seconds: float) -> float:
    """When so many seconds will have passed."""
    return time.monotonic() + seconds


def _title(name: str) -> str:
    return next((section.title for section in SECTIONS if section.module == name), name)


def _end(child: subprocess.Popen[str], overdue: threading.Event) -> None:
    overdue.set()
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
