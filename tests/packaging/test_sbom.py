"""The bill of materials names what is installed under a model, the same on every run."""

from __future__ import annotations

from importlib import metadata

from headrace.core.hashing import digest_bytes
from headrace.packaging import bill_of_materials
from headrace.packaging.sbom import library_versions


def test_names_what_the_model_rests_on_with_versions():
    bill = bill_of_materials("late", b"graph")
    versions = {component["name"]: component["version"] for component in bill["components"]}
    assert versions["numpy"] == metadata.version("numpy")
    assert versions["lightgbm"] == metadata.version("lightgbm")
    assert "pytest" not in versions
    assert bill["specVersion"] == "1.6"


def test_is_the_same_every_time_and_sorted():
    bill = bill_of_materials("late", b"graph")
    assert bill == bill_of_materials("late", b"graph")
    names = [component["name"] for component in bill["components"]]
    assert names == sorted(names)


def test_a_second_graph_is_a_file_of_the_model():
    bill = bill_of_materials("late", b"graph", cuda_model=b"tensors")
    (file,) = bill["metadata"]["component"]["components"]
    assert (file["type"], file["name"]) == ("file", "model.cuda.onnx")
    assert file["hashes"] == [{"alg": "SHA-256", "content": digest_bytes(b"tensors")}]
    assert "components" not in bill_of_materials("late", b"graph")["metadata"]["component"]


def test_every_dependency_points_to_a_component():
    bill = bill_of_materials("late", b"graph")
    known = {component["bom-ref"] for component in bill["components"]}
    model, *others = bill["dependencies"]
    assert model["ref"] == bill["metadata"]["component"]["bom-ref"]
    assert {entry["ref"] for entry in others} == known
    assert all(set(entry["dependsOn"]) <= known for entry in bill["dependencies"])


def test_what_is_not_installed_is_left_out():
    assert library_versions(["numpy", "no-such-distribution"]) == {"numpy": metadata.version("numpy")}
    assert bill_of_materials("late", b"graph", roots=["no-such-distribution"])["components"] == []
