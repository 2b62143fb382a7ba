from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from headrace.core.database import open_database
from headrace.packaging import Package, PackageContents, Registry, Signature, build_package


@pytest.fixture
def make_contents() -> Callable[..., PackageContents]:
    """Contents of a small package; two of them differ where model or name do."""

    def make(model: bytes = b"an ONNX graph", name: str = "late") -> PackageContents:
        return PackageContents(
            name=name,
            model=model,
            plan={"format_version": 1, "features": ["a", "b"]},
            schema={"tables": {}},
            signature=Signature.of_matrix(("a", "b")),
            baseline={"features": {"a": {"edges": [0.1, 0.2]}}},
            evaluation={"rows": 10},
            lineage={"snapshot": {}},
            sbom={"bomFormat": "CycloneDX"},
            model_card="# late\n",
        )

    return make


@pytest.fixture
def make_package(tmp_path: Path, make_contents: Callable[..., PackageContents]) -> Callable[..., Package]:
    """Build a package in a folder of its own."""

    def make(model: bytes = b"an ONNX graph", name: str = "late") -> Package:
        target = tmp_path / "built" / f"{name}-{model.hex()[:40]}"
        return build_package(target, make_contents(model, name), replace=True)

    return make


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Path | str:
    """Every test of the index runs on both databases."""
    return tmp_path / "registry.db" if request.param == "sqlite" else request.getfixturevalue("postgres_database")


@pytest.fixture
def registry(database: Path | str, tmp_path: Path) -> Iterator[Registry]:
    engine = open_database(database)
    yield Registry(engine, tmp_path / "home")
    engine.dispose()
