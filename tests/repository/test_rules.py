"""Rules of the house that no linter knows."""

import ast
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MAX_LINES = 500
GENERATED = {"inference_pb2.py", "inference_pb2.pyi"}
VAGUE = {"utils", "util", "helpers", "helper", "common", "misc", "base"}
ONE_DOOR = {
    "numba": ("headrace_kernels/cpu/",),
    "cupy": ("headrace_kernels/cuda/",),
    "grpc": ("headrace/serving/transport/", "headrace/client/"),
    "deltalake": ("headrace/data/",),
    "lightgbm": ("headrace/training/", "headrace/packaging/export/"),
    "onnxruntime": ("headrace/serving/runtime",),
    "onnx": ("headrace/packaging/export/",),
    "sklearn": ("headrace/training/", "headrace/evaluation/", "headrace/validation/bias/"),
    "matplotlib": ("headrace/pipeline/report/",),
    "mlflow": (),  # the mirror speaks its REST API
    "optuna": ("headrace/training/tuning/", "headrace/training/importance.py"),
}


def tracked(*patterns: str) -> list[Path]:
    out = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", *patterns],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return [ROOT / line for line in out.stdout.splitlines() if (ROOT / line).exists()]


def product_files() -> list[Path]:
    return tracked("engine/**/*.py", "kernels/**/*.py")


def imported_modules(path: Path) -> set[str]:
    modules: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            modules.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            modules.add(node.module)
    return modules


def test_no_file_is_longer_than_a_room_should_be():
    long = {
        str(path.relative_to(ROOT)): lines
        for path in tracked("*.py")
        if path.name not in GENERATED and (lines := len(path.read_text().splitlines())) > MAX_LINES
    }
    assert not long, f"past {MAX_LINES} lines: {long}"


def test_no_room_has_a_vague_name():
    vague = [path for path in tracked("*.py") if path.stem in VAGUE or VAGUE & set(path.relative_to(ROOT).parts)]
    assert not vague


@pytest.mark.parametrize("library", sorted(ONE_DOOR))
def test_a_heavy_library_has_one_door(library: str):
    doors = ONE_DOOR[library]
    trespassers = []
    for path in product_files():
        place = path.relative_to(ROOT).as_posix().split("/", 1)[1]
        uses = any(module == library or module.startswith(f"{library}.") for module in imported_modules(path))
        if uses and not place.startswith(doors):
            trespassers.append(place)
    assert not trespassers, f"{library} is imported outside {doors}: {trespassers}"


def test_no_init_file_under_tests():
    assert not tracked("tests/**/__init__.py")


def test_every_package_says_what_it_is_for():
    silent = [
        path
        for path in product_files()
        if path.name == "__init__.py" and not ast.get_docstring(ast.parse(path.read_text()))
    ]
    assert not silent


def test_constraints_pin_names_and_versions_only():
    for line in (ROOT / "constraints.txt").read_text().splitlines():
        assert "==" in line, line
        assert "://" not in line, line


def test_every_declared_dependency_is_pinned():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [*project["dependencies"], *(d for extra in project["optional-dependencies"].values() for d in extra)]
    pinned = {
        line.split("==")[0].lower().replace("_", "-") for line in (ROOT / "constraints.txt").read_text().splitlines()
    }
    for requirement in wanted:
        name = requirement.split(";")[0].split("[")[0].split(">")[0].split("=")[0].strip().lower()
        if name not in {"headrace", "onnxruntime"}:
            assert name in pinned, f"{name} is declared and not pinned in constraints.txt"


@pytest.mark.slow
def test_generated_wire_code_is_fresh():
    run = subprocess.run(
        [sys.executable, "protos/generate.py", "--check"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stdout + run.stderr


@pytest.mark.slow
def test_importing_headrace_is_cheap_and_loads_nothing_heavy():
    code = (
        "import sys, time; start = time.perf_counter(); import headrace; took = time.perf_counter() - start;"
        "heavy = {'numpy', 'polars', 'pyarrow', 'numba', 'lightgbm', 'onnxruntime', 'grpc', 'sqlalchemy'};"
        "heavy &= set(sys.modules);"
        "print(took); assert not heavy, heavy"
    )
    took = [
        float(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)
        for _ in range(5)
    ]
    assert min(took) < 0.2
