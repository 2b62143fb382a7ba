"""Check a machine with an NVIDIA GPU: the kernels' bits, forests, fallbacks, and the figures beside their bars.

Needs a source checkout, Python 3.11 or newer, NumPy, Numba, CuPy, PyArrow and (for forests) ONNX Runtime; neither
Polars nor LightGBM. Forests come from files that `prepare.py` writes on a machine with LightGBM (here, where it is).
Under eight minutes.

    PYTHONPATH=kernels python3 benchmarks/gpu/check.py [--inputs build/gpu-inputs] [--json OUT.json] [--page PAGE.md]

Exits with 0 where everything passed (what was missing or skipped is listed), 1 where something failed, 3 without a
device.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2] / "engine"))
sys.path.insert(0, str(Path(__file__).parents[2] / "kernels"))
sys.path.insert(0, str(Path(__file__).parent))

from findings import Finding, Setting
from page import write_page
from sections import SECTIONS, TOTAL_S, run_here, run_section, until
from table import print_finding, print_title, summary

HERE = Path(__file__).parent
ROOT = HERE.parents[1]

PASSED, FAILED, NO_DEVICE = 0, 1, 3


def main(arguments: Sequence[str] | None = None) -> int:
    """Run every section, or those that were named."""
    chosen = _parser().parse_args(arguments)
    setting = Setting(chosen.emulate, chosen.smoke, chosen.inputs, until(chosen.seconds))
    if chosen.section:
        return run_here(chosen.section, setting)
    if chosen.page and chosen.from_json:
        write_page(chosen.page, json.loads(chosen.from_json.read_text()))
        return PASSED
    reason = "" if chosen.emulate else why_no_device()
    if reason:
        print(f"no CUDA device: {reason}", file=sys.stderr)
        _write_json(chosen.json, {"device": None, "reason": reason, "sections": {}})
        return NO_DEVICE
    _prepare_inputs(setting)
    with tempfile.TemporaryDirectory() as folder:
        if chosen.wheels:
            _install_wheels(chosen.wheels, Path(folder))
        document = _run_all(chosen.only, setting)
    _write_json(chosen.json, document)
    if chosen.page:
        write_page(chosen.page, document)
    return FAILED if summary(document) else PASSED


def why_no_device() -> str:
    """Why there is no device to check, in words; empty where there is one."""
    try:
        from headrace_kernels.cuda import device
    except ModuleNotFoundError as error:
        return f"{error.name} is not installed"
    return device.why_unavailable()


def _prepare_inputs(setting: Setting) -> None:
    """Make the forests here where nobody has brought them and LightGBM is there; else their sections say so."""
    from forest_files import INDEX

    if (setting.inputs / INDEX).exists() or importlib.util.find_spec("lightgbm") is None:
        return
    small = ["--smoke"] if setting.is_small else []
    done = subprocess.run(
        [sys.executable, str(HERE / "prepare.py"), "--output", str(setting.inputs), *small], check=False
    )
    if done.returncode:
        print("the forests could not be prepared", file=sys.stderr)


def _run_all(only: Sequence[str], whole: Setting) -> dict[str, Any]:
    started = time.monotonic()
    document: dict[str, Any] = {"emulated": whole.emulated, "smoke": whole.smoke, "python": platform.python_version()}
    sections: dict[str, Any] = {}
    for section in SECTIONS:
        if only and section.module not in only:
            continue
        print_title(section.title)
        began = time.monotonic()
        setting = Setting(whole.emulated, whole.smoke, whole.inputs, min(until(section.budget_s), whole.until))
        findings: list[Finding] = []
        for finding in run_section(section, setting):
            findings.append(finding)
            print_finding(finding)
        sections[section.module] = {
            "title": section.title,
            "seconds": round(time.monotonic() - began, 1),
            "findings": [finding.to_json() for finding in findings],
        }
    document["seconds"] = round(time.monotonic() - started, 1)
    document["device"] = _device_name(sections)
    return {**document, "sections": sections}


def _device_name(sections: dict[str, Any]) -> str:
    found = sections.get("device_facts", {}).get("findings", [])
    return next((each["detail"] for each in found if each["name"] == "device"), "not asked")


def _install_wheels(wheels: Path, target: Path) -> None:
    """Put wheels that were carried here where the sections find them; nothing is downloaded."""
    files = [str(path) for path in sorted(wheels.glob("*.whl"))]
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", "--target", str(target)]
    done = subprocess.run([*command, *files], check=False)
    if done.returncode:
        print(f"the wheels of {wheels} could not be installed", file=sys.stderr)
    os.environ["PYTHONPATH"] = os.pathsep.join([str(target), os.environ.get("PYTHONPATH", "")])


def _write_json(path: Path | None, document: dict[str, Any]) -> None:
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    names = [section.module for section in SECTIONS]
    parser.add_argument("only", nargs="*", choices=[*names, []], help="sections; all without a name")
    parser.add_argument("--json", type=Path, help="where the findings go")
    parser.add_argument("--page", type=Path, help="write the page of figures (benchmarks/gpu.md in the repository)")
    parser.add_argument("--from-json", type=Path, help="with --page: from an earlier run's findings, checking nothing")
    parser.add_argument("--inputs", type=Path, default=ROOT / "build" / "gpu-inputs", help="what prepare.py wrote")
    parser.add_argument("--wheels", type=Path, help="folder of wheels to use in place of what is installed")
    parser.add_argument("--smoke", action="store_true", help="small sizes: checks the results, not the speed")
    parser.add_argument("--emulate", action="store_true", help="tiny sizes on the tests' emulated device")
    parser.add_argument("--section", help=argparse.SUPPRESS)
    parser.add_argument("--seconds", type=float, default=TOTAL_S, help="for the whole check")
    return parser


if __name__ == "__main__":
    sys.exit(main())
