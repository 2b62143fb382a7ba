"""A wheel builds, installs into an empty environment, and its command runs there."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dist")
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, ROOT],
        check=True,
        capture_output=True,
        env={**os.environ, "SKBUILD_BUILD_DIR": str(folder / "build")},
    )
    return next(folder.glob("*.whl"))


def test_it_holds_both_packages_and_their_data(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    for name in (
        "headrace/__init__.py",
        "headrace/py.typed",
        "headrace/cli/main.py",
        "headrace/wire/inference_pb2.py",
        "headrace/pipeline/report/assets/report.css",
        "headrace_kernels/cpu/frames.py",
        "headrace_kernels/cuda/common.cuh",
        "headrace_kernels/cuda/radix.cu",
        "headrace_kernels/py.typed",
    ):
        assert name in names
    assert not [name for name in names if name.startswith(("tests", "examples", "benchmarks"))]


def test_the_base_install_runs_in_an_empty_environment(wheel, tmp_path):
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "env"], check=True)
    python = tmp_path / "env" / "bin" / "python"
    quiet = ["--quiet", "--disable-pip-version-check", "--constraint", ROOT / "constraints.txt"]
    subprocess.run([python, "-m", "pip", "install", *quiet, wheel], check=True, capture_output=True)

    def ask(*command):
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True).stdout

    headrace = tmp_path / "env" / "bin" / "headrace"
    assert ask(headrace, "--version").startswith("headrace 0.")
    assert "rollback" in ask(headrace, "release", "--help")
    assert ask(headrace, "serve", "--help")
    code = (
        "import importlib.util, headrace, headrace.serving, headrace.features\n"
        "from headrace import Client, EventTable\n"
        "print([name for name in ('lightgbm', 'sklearn', 'deltalake') if importlib.util.find_spec(name)])"
    )
    assert ask(python, "-c", code).strip() == "[]"
