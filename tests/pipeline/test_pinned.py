"""What a package was trained on is pinned for as long as its package is kept."""

from __future__ import annotations

import pytest

from headrace.core.database import open_database
from headrace.core.errors import CorruptedError
from headrace.packaging import PackageContents, Registry, Signature, build_package
from headrace.packaging.collection import Keeper
from headrace.pipeline.pinned import pinned_digests
from headrace.pipeline.workspace import Workspace


@pytest.fixture
def registry(tmp_path):
    workspace = Workspace(tmp_path / "home")
    engine = open_database(workspace.database)
    registry = Registry(engine, workspace.home)
    for number in (1, 2):
        contents = PackageContents(
            name="late", model=bytes([number]), plan={}, schema={}, signature=Signature.of_matrix(("a",)), baseline={},
            evaluation={}, lineage={"snapshot": {"flights": {"version": number, "digest": f"table {number}"}}}, sbom={},
            model_card="",
        )  # fmt: skip
        registry.register("late", build_package(tmp_path / f"built{number}", contents).path)
    yield registry
    engine.dispose()


def test_tables_of_kept_packages_are_pinned_and_those_of_collected_ones_are_not(registry, tmp_path):
    workspace = Workspace(tmp_path / "home")
    assert pinned_digests(workspace) == {"table 1": "package late@1", "table 2": "package late@2"}
    Keeper(registry, "ann").collect(keep_last=1)
    assert pinned_digests(workspace) == {"table 2": "package late@2"}


def test_a_package_that_cannot_be_read_stops_a_vacuum(registry, tmp_path):
    (registry.get("late", 1).path / "lineage.json").write_text("?")
    with pytest.raises(CorruptedError, match="late@1 cannot be read, so the tables it needs are not known"):
        pinned_digests(Workspace(tmp_path / "home"))


def test_a_home_without_a_registry_pins_nothing_and_gets_none(tmp_path):
    assert pinned_digests(Workspace(tmp_path)) == {}
    assert list(tmp_path.iterdir()) == []
