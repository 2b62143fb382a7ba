"""The check of GPU machines, without one: it says that there is none, and its sections run on an emulated device."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.append(str(Path(__file__).parents[3] / "benchmarks" / "gpu"))
sys.path.append(str(Path(__file__).parents[3] / "tests" / "kernels" / "devices"))

from emulated_device import COMPILER
from findings import Finding, Setting, Status, measured
from page import BARS, UNMEASURED, write_page
from window_work import WIDTHS_US, Kernels, compute_on_cpu, write_features
from window_world import make_parts, whole

ROOT = Path(__file__).parents[3]
FOLDER = ROOT / "benchmarks" / "gpu"
BLOCKED = ("polars", "lightgbm", "typer", "pydantic", "structlog", "headrace.cli")


def run_check(*arguments, path=""):
    environment = {**os.environ, "PYTHONPATH": path, "CUDA_VISIBLE_DEVICES": ""}
    command = [sys.executable, str(FOLDER / "check.py"), *map(str, arguments)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture
def without_libraries(tmp_path):
    """A path that makes what a GPU machine need not have impossible to import."""
    for name in BLOCKED:
        module = tmp_path / "blocked" / (name.replace(".", "/") + ".py")
        module.parent.mkdir(parents=True, exist_ok=True)
        if "." not in name:
            module.write_text(f"raise ImportError('{name} is not here')\n")
    return str(tmp_path / "blocked")


def test_without_a_device_it_ends_with_three_and_the_reason(tmp_path):
    done = run_check("--json", tmp_path / "out.json")
    assert done.returncode == 3, done.stderr
    assert done.stderr.startswith("no CUDA device: ")
    document = json.loads((tmp_path / "out.json").read_text())
    assert document["device"] is None
    assert document["reason"] in done.stderr


@pytest.mark.slow
@pytest.mark.skipif(COMPILER is None, reason="no C++ compiler: the emulator cannot be built")
def test_every_section_runs_on_the_emulated_device_without_polars_and_lightgbm(tmp_path, without_libraries):
    prepared = subprocess.run(
        [sys.executable, str(FOLDER / "prepare.py"), "--smoke", "--output", str(tmp_path / "inputs")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert prepared.returncode == 0, prepared.stderr
    files = ["--json", tmp_path / "out.json", "--page", tmp_path / "gpu.md"]
    done = run_check("--emulate", "--inputs", tmp_path / "inputs", *files, path=without_libraries)
    assert done.returncode == 0, done.stdout + done.stderr
    document = json.loads((tmp_path / "out.json").read_text())
    found = [Finding.from_json(each) for section in document["sections"].values() for each in section["findings"]]
    assert all(section["findings"] for section in document["sections"].values())
    assert {each.status for each in found} <= {Status.PASS, Status.MISSING, Status.MEASURED}, done.stdout
    passed = {each.name for each in found if each.status is Status.PASS}
    assert {"scan, tiny sizes", "memory exhausted", "device hidden: this check", "prefix sums: bits"} <= passed
    assert "figures mean nothing" in (tmp_path / "gpu.md").read_text()


def test_a_section_that_fails_or_hangs_is_a_line_of_the_table_and_no_more(tmp_path):
    import sections

    setting = Setting(emulated=False, smoke=True, inputs=tmp_path, until=sections.until(6))
    (failed,) = sections.run_section(sections.Section("no_such_file", "A section", 1), setting)
    assert failed.status is Status.MISSING
    assert "no_such_file" in failed.detail
    over = Setting(emulated=False, smoke=True, inputs=tmp_path, until=sections.until(0))
    (skipped,) = sections.run_section(sections.SECTIONS[0], over)
    assert skipped.status is Status.SKIPPED


def test_figures_are_judged_by_their_bars_at_full_size_alone():
    full = Setting(emulated=False, smoke=False, inputs=Path(), until=0)
    small = Setting(emulated=False, smoke=True, inputs=Path(), until=0)
    slow, fast = (measured("speed", figure, "x", bar=30) for figure in (29.9, 30.0))
    longest = Finding("length", Status.MEASURED, "", 1.31, "x", 1.3, most=True)
    assert [full.judged(each).status for each in (slow, fast, longest)] == [Status.FAIL, Status.PASS, Status.FAIL]
    assert small.judged(slow).status is Status.MEASURED


def test_the_page_names_every_bar_and_what_was_not_measured(tmp_path):
    write_page(tmp_path / "gpu.md", {"sections": {}})
    page = (tmp_path / "gpu.md").read_text()
    assert page.count(UNMEASURED) == len(BARS)
    assert all(bar.text in page for bar in BARS)
    missed = Finding("18 windows, resident", Status.FAIL, "80 ms", 71.0, "x the CPU's speed", 100)
    section = {"title": "18 window features", "seconds": 1, "findings": [missed.to_json()]}
    write_page(tmp_path / "gpu.md", {"device": "a GPU", "seconds": 9, "sections": {"windows": section}})
    page = (tmp_path / "gpu.md").read_text()
    assert "71 x the CPU's speed (bar: at least 100): **missed** (80 ms)" in page
    assert page.count(UNMEASURED) == len(BARS) - 2


@pytest.mark.slow
def test_the_benchmarks_windows_are_those_of_the_executor():
    import pyarrow as pa

    import headrace.features as hr

    world = whole(make_parts(3000, 90, 2))
    mine = np.zeros((3000, 18), dtype=np.float32)
    compute_on_cpu(world, WIDTHS_US, 2, mine)
    table = hr.EventTable("events", keys=["key"], event_time="moment")
    values = {None: [hr.Count()], "value": [hr.Sum(), hr.Mean(), hr.Std(), hr.Min(), hr.Max()]}
    features = [hr.windows(table, by="key", over=["1h", "24h", "7d"], values=values)]
    events = pa.table(
        {"key": world.codes, "moment": pa.array(world.time, pa.timestamp("us", "UTC")), "value": world.value}
    )
    dtypes = {"events": {"key": "int64", "moment": "timestamp", "value": "float64"}}
    plan = hr.compile_plan(hr.FeatureSet("windows", spine=table, at="moment", features=features), dtypes)
    computed = hr.compute(plan, {"events": events}, threads=1)
    order = [
        "key_count_{w}" if each == "count" else f"key_value_{each}_{{w}}"
        for each in ("count", "sum", "mean", "std", "min", "max")
    ]
    theirs = np.stack([computed.column(name.format(w=width)) for width in ("1h", "24h", "7d") for name in order], 1)
    assert mine.tobytes() == np.ascontiguousarray(theirs).tobytes()
    whole_table = np.zeros_like(mine)
    write_features(Kernels("cpu"), np.arange(3000, dtype=np.int32), world, 0, WIDTHS_US, whole_table)
    assert whole_table.tobytes() == mine.tobytes()
