"""The page of figures, `benchmarks/gpu.md`: every bar with what was measured, or that it was not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from findings import Finding, Status
from table import figure_text

UNMEASURED = "unmeasured: no GPU was to hand"


@dataclass(frozen=True)
class Bar:
    """A bar, and the findings that speak of it: those of a section whose names begin so."""

    text: str
    section: str
    names: str


BARS = (
    Bar("Every kernel gives the CPU's bits", "bits", ""),
    Bar(
        "18 window features of 100 M events, data resident: at least 100 x two CPU cores", "windows",
        "18 windows, resident",
    ),
    Bar("The same from and to pinned memory: at least 30 x two CPU cores", "windows", "18 windows, with transfer"),
    Bar("A row costs the same from 1 h to 30 d: at most 1.3 x", "window_lengths", "window length"),
    Bar("Scan kernels: at least 50 % of the measured copy bandwidth", "scans", "scan bandwidth"),
    Bar("Forests on ONNX Runtime: every node on CUDA, LightGBM's leaves and sums", "onnx_cuda", "tensor graph"),
    Bar(
        "ONNX Runtime on CUDA at batch 65,536: at least 20 x ONNX Runtime on one CPU core", "onnx_cuda",
        "ONNX Runtime CUDA over CPU",
    ),
    Bar("Our forest kernel gives LightGBM's sums", "forest_kernel", "kernel, forest"),
    Bar("Our forest kernel: at least 2 x the CUDA graph", "forest_kernel", "forest kernel over"),
    Bar("A batch job, Parquet to Parquet: device busy at least 50 % of the time", "batch_job", "batch job"),
    Bar("Fallbacks end in words and a code", "drills", ""),
    Bar("compute-sanitizer finds nothing", "sanitizer", ""),
)  # fmt: skip
_HEAD = """# GPU figures

`make gpu-check` on a machine with an NVIDIA GPU checks all of it and takes less than eight minutes; from a bare
checkout `PYTHONPATH=kernels python3 benchmarks/gpu/check.py --json OUT.json --page benchmarks/gpu.md` writes this page.
[How to check a machine](../docs/operations/gpu.md) has the rest. Speeds are ratios within one run; results are compared
by `==` before a time counts.

"""
_AFTER = """
How it is measured:

- **18 window features**: count, sum, mean, std, min and max over 1 h, 24 h and 7 d of 60 days of events, 20 a key on
  average, some keys with far more. Resident: columns and matrix stay on the device; sorting and grouping are part of
  the work. With transfer: columns start and the matrix ends in pinned host memory, in 8 parts that share no key, two
  streams; copies and kernels overlap. The CPU's time is that of the same kernels on two cores for one of the parts,
  scaled to all of them; the features of that part must have the same bits.
- **Window length**: bounds and six statistics of one window, without the sort, which would hide a dependence.
- **Scan kernels**: bytes that the algorithm must move, over the time, beside a copy's bytes read and written.
- **Forests**: rows and answers in the device's memory, the CPU's rival with one thread, 300 trees of 63 leaves over 40
  features.
- **Batch job**: the union of the spans of copies and kernels on all streams, over the time from the first read to the
  last write.
"""


def write_page(path: Path, document: Mapping[str, Any]) -> None:
    """Write the page from a check's findings; no findings make a page of bars alone."""
    lines = [_HEAD + _ran(document), "| bar | figure |", "| --- | --- |"]
    lines += [f"| {bar.text} | {_figures(bar, document)} |" for bar in BARS]
    path.write_text("\n".join(lines) + "\n" + _AFTER, encoding="utf-8")


def _ran(document: Mapping[str, Any]) -> str:
    sections = document.get("sections", {})
    if not sections:
        return f"Not run yet on a GPU: every figure below is {UNMEASURED.split(':', maxsplit=1)[0]}.\n"
    small = " **Small sizes: figures mean nothing.**" if document.get("smoke") or document.get("emulated") else ""
    facts = [Finding.from_json(each) for each in sections.get("device_facts", {}).get("findings", [])]
    words = "\n".join(f"- {fact.name}: {figure_text(fact)}; {fact.detail}" for fact in facts)
    return f"{document['device']}, {document['seconds']:.0f} s in all.{small}\n\n{words}\n"


def _figures(bar: Bar, document: Mapping[str, Any]) -> str:
    section = document.get("sections", {}).get(bar.section)
    if section is None:
        return UNMEASURED
    every = [Finding.from_json(each) for each in section["findings"]]
    own = [found for found in every if found.name.startswith(bar.names)]
    own = own or [found for found in every if found.status is not Status.PASS and found.figure is None]
    if not own:
        return "unmeasured: the section did not come to it"
    figures = [found for found in own if found.figure is not None]
    others = [found for found in own if found.figure is None]
    return "; ".join([*map(_figure, figures), *_counted(others)])


def _figure(found: Finding) -> str:
    verdict = {Status.PASS: "met", Status.FAIL: "**missed**"}.get(found.status, "not judged")
    return f"{figure_text(found)}: {verdict} ({found.detail})"


def _counted(findings: Sequence[Finding]) -> list[str]:
    """Checks without a figure: how many passed, and each that did not."""
    passed = sum(found.status is Status.PASS for found in findings)
    words = [f"{passed} {'check' if passed == 1 else 'checks'} passed"] if passed else []
    for found in findings:
        if found.status is Status.FAIL:
            words.append(f"**failed**: {found.name}: {found.detail}")
        elif found.status is not Status.PASS:
            words.append(f"unmeasured: {found.name}: {found.detail}")
    return words
