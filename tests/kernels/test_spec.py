"""The house rules of kernels: one declaration, the same names everywhere, cached and free of the GIL."""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import headrace_kernels
import headrace_kernels.cpu
from headrace_kernels.spec import KERNELS

CPU_FILES = sorted(Path(headrace_kernels.cpu.__file__).parent.glob("*.py"))
INTRINSICS = {"leading_zeros", "multiply_high", "prefetch"}
"""From `jit.py`: instructions, built into the code that names them."""


@pytest.mark.parametrize("name", KERNELS)
def test_every_backend_implements_the_declaration(name):
    spec = KERNELS[name]
    if "native" in spec.backends:
        pytest.importorskip("headrace_kernels.native._forest", reason="the native forest is not built")
    loaded = {
        backend: inspect.unwrap(getattr(spec.load(backend), "py_func", spec.load(backend))) for backend in spec.backends
    }
    arguments = {
        backend: [p.name for p in inspect.signature(function).parameters.values() if p.kind is not p.KEYWORD_ONLY]
        for backend, function in loaded.items()
    }
    assert all(each == arguments["reference"] for each in arguments.values())
    assert len(arguments["reference"]) == len(spec.inputs)
    assert all(inspect.getdoc(function) for function in loaded.values())


def test_every_reference_function_is_declared():
    found = set()
    for module in pkgutil.iter_modules(importlib.import_module("headrace_kernels.reference").__path__):
        if module.name in {"exact", "membership"}:
            continue  # arithmetic and a way to ask, no kernels
        loaded = importlib.import_module(f"headrace_kernels.reference.{module.name}")
        found |= {
            name
            for name, value in vars(loaded).items()
            if inspect.isfunction(value) and value.__module__ == loaded.__name__
        }
    assert {name for name in found if not name.startswith("_")} == set(KERNELS)


@pytest.mark.parametrize("file", CPU_FILES, ids=lambda file: file.name)
def test_no_compiled_function_calls_one_of_another_file(file):
    """Numba's cache does not see that such a function changed, and would go on running the old one."""
    tree = ast.parse(file.read_text())
    imported = {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("headrace_kernels.cpu")
        for alias in node.names
        if node.module != "headrace_kernels.cpu.jit" or alias.name not in INTRINSICS
    }
    for function in ast.walk(tree):
        if isinstance(function, ast.FunctionDef) and any(
            ast.unparse(d) in {"kernel", "inlined"} for d in function.decorator_list
        ):
            body = [node for statement in function.body for node in ast.walk(statement)]
            used = {node.id for node in body if isinstance(node, ast.Name)}
            assert not used & imported, f"{function.name} uses {used & imported}"


@pytest.mark.parametrize("library", ["llvmlite", "numba"])
def test_the_compiler_is_imported_by_one_file(library):
    importers = {
        path.name
        for path in Path(headrace_kernels.__file__).parent.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if (isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == library)
        or (isinstance(node, ast.Import) and any(alias.name.split(".")[0] == library for alias in node.names))
    }
    assert importers == {"jit.py"}


@pytest.mark.slow
def test_compiled_code_is_cached_where_the_package_cannot_be_written(tmp_path):
    """A second process finds what the first one compiled, in the user's cache folder."""
    site = tmp_path / "site" / "headrace_kernels"
    for file in Path(headrace_kernels.__file__).parent.rglob("*.py"):
        target = site / file.relative_to(Path(headrace_kernels.__file__).parent)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(file.read_text())
        # where a cache folder cannot be made: a file stands in its place, which stops root as well
        (target.parent / "__pycache__").touch()
    code = (
        f"import sys; sys.path.insert(0, {str(tmp_path / 'site')!r})\n"
        "sys.meta_path = [f for f in sys.meta_path if isinstance(f, type)]  # no editable install's finder\n"
        "import numpy as np\n"
        "from headrace_kernels.cpu import cyclic\n"
        f"assert cyclic.__file__.startswith({str(tmp_path)!r}), cyclic.__file__\n"
        "cyclic.calendar_field(np.zeros(1, np.int64), 0)\n"
        "stats = cyclic.calendar_field.stats\n"
        "print(sum(stats.cache_hits.values()), sum(stats.cache_misses.values()))\n"
    )
    environment = {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache"), "PATH": ""}
    first, second = (
        subprocess.run([sys.executable, "-B", "-c", code], capture_output=True, text=True, env=environment, check=False)
        for _ in range(2)
    )
    assert first.stdout == "0 1\n", first.stderr
    assert second.stdout == "1 0\n", second.stderr
