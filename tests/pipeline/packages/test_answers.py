"""A package tells what is in it and what is wrong with it; two tell what differs."""

from __future__ import annotations

import dataclasses

import pytest

from headrace.core.errors import CorruptedError, InvalidInputError, NotFoundError
from headrace.core.progress import SilentProgress
from headrace.packaging.manifest import Manifest
from headrace.packaging.package import write_package
from headrace.packaging.signing import generate_keys, sign_digest
from headrace.pipeline.packages.comparison import compare_packages
from headrace.pipeline.packages.inspection import inspect_package
from headrace.pipeline.packages.places import found_package
from headrace.pipeline.packages.verification import verify_package
from headrace.pipeline.workspace import Workspace


def verify(models, place, *keys):
    with found_package(models.workspace, place) as found:
        return verify_package(found, keys, progress=SilentProgress())


def test_everything_in_a_package_is_told(models):
    with found_package(models.workspace, "late@2") as found:
        told = inspect_package(found)
    assert (told["package"], told["version"]) == ("late@2", 2)
    assert told["size_bytes"] == sum(file["size_bytes"] for file in told["files"])
    assert told["signature"]["features"] == ["a", "b", "d"]
    assert told["plan"]["roles"] == {"window": 3}
    assert told["graph"]["trees"] == 20
    assert told["graph"]["operators"]["ai.onnx.ml.TreeEnsemble"] == 1
    assert told["metrics"]["auc"]["value"] == 0.72
    assert told["gates"] == [{"name": "auc", "passed": True, "reason": "why"}]
    assert told["lineage"]["snapshot"]["flights"]["version"] == 2
    assert told["components"] == 2
    assert told["signatures"] == []


def test_two_packages_tell_what_differs(models):
    with found_package(models.workspace, "late@1") as first, found_package(models.workspace, "late@2") as second:
        told = compare_packages(first, second)
    assert not told["is_same"]
    assert told["features"] == {"added": ["d"], "removed": ["c"], "changed": ["b"], "is_reordered": False}
    assert told["thresholds"] == {"model.decision.threshold": [0.6, 0.7]}
    assert [figure["value"] for figure in told["metrics"]["auc"]] == [0.71, 0.72]
    assert told["gates"] == {"auc": [False, True]}
    assert told["tables"]["flights"][1]["version"] == 2
    assert told["libraries"] == {"lightgbm": ["4.1", "4.2"]}
    assert told["definition"] == {}
    assert told["graph"]["trees"] == [10, 20]
    assert told["files"]["added"] == told["files"]["removed"] == []
    assert "model.onnx" in told["files"]["changed"]


def test_a_second_graph_is_told_and_compared(models, tmp_path):
    from headrace.packaging.export import export_tensors

    text = (
        "tree\nversion=v4\nnum_class=1\nnum_tree_per_iteration=1\nmax_feature_idx=2\nobjective=regression\n"
        "feature_names=a b c\n\nTree=0\nnum_leaves=2\nnum_cat=0\nsplit_feature=1\nthreshold=0.5\ndecision_type=8\n"
        "left_child=-1\nright_child=-2\nleaf_value=1 2\n\nend of trees\n"
    )
    with found_package(models.workspace, "late@1") as found:
        package = found.load()
        assert inspect_package(found)["cuda_graph"] is None
    files = dict(package.files) | {"model.cuda.onnx": export_tensors(text)}
    second = dataclasses.replace(package, files=files, manifest=Manifest.of("late", files))
    write_package(second, tmp_path / "second")
    with (
        found_package(models.workspace, "late@1") as first,
        found_package(models.workspace, str(tmp_path / "second")) as two,
    ):
        told, compared = inspect_package(two), compare_packages(first, two)
    assert told["cuda_graph"]["nodes"] > 3
    assert told["cuda_graph"]["trees"] == 0
    assert compared["files"]["added"] == ["model.cuda.onnx"]
    assert compared["cuda_graph"]["nodes"] == [None, told["cuda_graph"]["nodes"]]


def test_a_package_does_not_differ_from_itself_wherever_it_lies(models, tmp_path):
    built = str(tmp_path / "built1")
    with found_package(models.workspace, "late@1") as first, found_package(models.workspace, built) as second:
        told = compare_packages(first, second)
    assert told["is_same"]
    assert told["files"]["changed"] == []
    assert told["graph"] == told["thresholds"] == told["libraries"] == {}


def test_an_intact_package_is_verified_file_by_file(models):
    verified = verify(models, "late@1")
    assert verified.problem is None
    assert len(verified.files) == 9
    assert verified.to_json()["is_intact"]


def test_all_bad_files_are_told_and_the_first_is_the_error(models, tmp_path):
    (tmp_path / "built1" / "model.onnx").write_bytes(b"x")
    (tmp_path / "built1" / "plan.json").unlink()
    verified = verify(models, str(tmp_path / "built1"))
    assert isinstance(verified.problem, CorruptedError)
    assert "model.onnx has digest" in verified.problem.message
    assert "and 1 more" in verified.problem.message
    told = verified.to_json()
    assert not told["is_intact"]
    assert [file["name"] for file in told["files"] if file["problem"]] == ["model.onnx", "plan.json"]


def test_a_forged_package_is_refused_where_the_registry_knows_its_digest(models):
    import shutil

    with found_package(models.workspace, "late@1") as first, found_package(models.workspace, "late@2") as second:
        forged, real = first.path, second.path
    shutil.rmtree(forged)
    shutil.copytree(real, forged)
    with pytest.raises(CorruptedError, match="was asked for"):
        verify(models, "late@1")


def test_signatures_are_held_against_the_keys_that_were_given(models, tmp_path):
    for name in ("ours", "foreign"):
        generate_keys(tmp_path / f"{name}.key", tmp_path / f"{name}.pub")
    ours, foreign = tmp_path / "ours.pub", tmp_path / "foreign.pub"
    assert "none of its 0 signatures" in verify(models, "late@1", ours).problem.message
    with found_package(models.workspace, "late@1") as found:
        digest = found.load_unsigned().digest
        found.sign(digest, *sign_digest(digest, tmp_path / "ours.key"))
    assert verify(models, "late@1", ours).problem is None
    assert verify(models, "late@1", foreign, ours).problem is None
    assert "none of its 1 signatures" in verify(models, "late@1", foreign).problem.message
    assert list(verify(models, "late@1", ours).signatures.values()) == ["ours.pub"]
    assert verify(models, "late@1").problem is None


def test_a_directory_is_signed_beside_itself(models, tmp_path):
    generate_keys(tmp_path / "k.key", tmp_path / "k.pub")
    place = str(tmp_path / "built1")
    with found_package(models.workspace, place) as found:
        found.sign(found.load().digest, *sign_digest(found.load().digest, tmp_path / "k.key"))
    assert (tmp_path / "built1.signatures").is_dir()
    assert verify(models, place, tmp_path / "k.pub").problem is None


@pytest.mark.parametrize(
    ("place", "error", "says"),
    [
        ("other", NotFoundError, "no model 'other' is registered; registered: late"),
        ("late@9", NotFoundError, "has no version 9"),
        ("./none", NotFoundError, "there is no such directory"),
        ("/", NotFoundError, r"it holds no manifest\.json"),
        ("Late!", InvalidInputError, "'Late!' is no directory here, and model name"),
    ],
)
def test_what_is_not_there_is_named(models, place, error, says):
    with pytest.raises(error, match=says), found_package(models.workspace, place):
        pass


def test_a_reference_without_a_registry_is_told(tmp_path):
    with pytest.raises(NotFoundError, match="no registry"), found_package(Workspace(tmp_path), "late"):
        pass
    assert list(tmp_path.iterdir()) == []
