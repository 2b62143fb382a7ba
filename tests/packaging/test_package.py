"""A package is one digest over every byte: built the same twice, refused when anything in it was touched."""

from __future__ import annotations

import dataclasses
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from headrace.core.errors import (
    AlreadyExistsError,
    CorruptedError,
    InvalidInputError,
    NotFoundError,
    UnimplementedError,
)
from headrace.packaging import build_package, load_package
from headrace.packaging.manifest import MANIFEST_FILE, Manifest
from headrace.packaging.package import BASELINE_FILE, CUDA_MODEL_FILE, MODEL_FILE, PLAN_FILE, REQUIRED_FILES

GOLDEN = Path(__file__).parent / "golden" / "package-format-1"
GOLDEN_DIGEST = "d9f7bb9359ed8e4b7cbb69731b9e9b4d40a67eac25de777c9636e75f4565ee64"
TRAINING_LIBRARIES = ["lightgbm", "onnx", "onnxruntime", "sklearn", "pandas", "deltalake", "pyarrow", "polars", "numba"]


def tree(path: Path) -> dict[str, bytes]:
    return {str(file.relative_to(path)): file.read_bytes() for file in path.rglob("*") if file.is_file()}


def test_loading_gives_what_was_built(tmp_path, make_contents):
    built = build_package(tmp_path / "p", make_contents())
    loaded = load_package(tmp_path / "p", digest=built.digest)
    assert loaded == built
    assert loaded.name == "late"
    assert loaded.model == b"an ONNX graph"
    assert loaded.signature.features == ("a", "b")
    assert loaded.document(BASELINE_FILE) == {"features": {"a": {"edges": [0.1, 0.2]}}}
    assert json.loads(loaded.plan_text) == {"format_version": 1, "features": ["a", "b"]}
    assert loaded.model_card == "# late\n"
    assert "late" in repr(loaded)


def test_a_second_graph_is_a_file_like_any_other(tmp_path, make_contents):
    """It is named in the manifest, changes the digest, and a package without it has none."""
    without = build_package(tmp_path / "without", make_contents())
    contents = dataclasses.replace(make_contents(), cuda_model=b"tensor operations")
    built, again = (build_package(tmp_path / name, contents) for name in ("one", "two"))
    loaded = load_package(tmp_path / "one", digest=built.digest)
    assert loaded.cuda_model == b"tensor operations"
    assert (without.cuda_model, CUDA_MODEL_FILE in without.files) == (None, False)
    assert built.digest == again.digest != without.digest
    (tmp_path / "one" / CUDA_MODEL_FILE).write_bytes(b"altered")
    with pytest.raises(CorruptedError, match=rf"{CUDA_MODEL_FILE} has digest"):
        load_package(tmp_path / "one")
    (tmp_path / "two" / CUDA_MODEL_FILE).unlink()
    with pytest.raises(CorruptedError, match=rf"{CUDA_MODEL_FILE} is missing"):
        load_package(tmp_path / "two")
    (tmp_path / "without" / CUDA_MODEL_FILE).write_bytes(b"smuggled in")
    with pytest.raises(CorruptedError, match=rf"{CUDA_MODEL_FILE} is not named"):
        load_package(tmp_path / "without")


def test_building_twice_gives_the_same_bytes(tmp_path, make_contents):
    build_package(tmp_path / "first", make_contents())
    build_package(tmp_path / "second", make_contents())
    assert tree(tmp_path / "first") == tree(tmp_path / "second")


def test_json_text_and_json_data_give_the_same_bytes_whatever_the_key_order(tmp_path, make_contents):
    text = json.dumps({"features": ["a", "b"], "format_version": 1}, indent=4)
    first = build_package(tmp_path / "first", make_contents())
    second = build_package(tmp_path / "second", dataclasses.replace(make_contents(), plan=text))
    assert first.digest == second.digest


@pytest.mark.parametrize("file", [*REQUIRED_FILES, MANIFEST_FILE])
def test_one_altered_byte_in_any_file_is_refused_by_name(tmp_path, make_contents, file):
    build_package(tmp_path / "p", make_contents())
    content = bytearray((tmp_path / "p" / file).read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / "p" / file).write_bytes(bytes(content))
    with pytest.raises((CorruptedError, UnimplementedError)) as caught:
        load_package(tmp_path / "p")
    assert file in caught.value.message


def test_the_refusal_names_both_digests(tmp_path, make_contents):
    package = build_package(tmp_path / "p", make_contents())
    (tmp_path / "p" / MODEL_FILE).write_bytes(b"another graph")
    other = Manifest.of("late", {MODEL_FILE: b"another graph"}).files[MODEL_FILE].digest
    with pytest.raises(CorruptedError) as caught:
        load_package(tmp_path / "p")
    assert other[:8] in caught.value.message
    assert package.manifest.files[MODEL_FILE].digest[:8] in caught.value.message
    assert package.digest[:8] in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize("file", REQUIRED_FILES)
def test_a_missing_file_is_refused_by_name(tmp_path, make_contents, file):
    build_package(tmp_path / "p", make_contents())
    (tmp_path / "p" / file).unlink()
    with pytest.raises(CorruptedError, match=file):
        load_package(tmp_path / "p")


def test_a_file_the_manifest_does_not_name_is_refused(tmp_path, make_contents):
    build_package(tmp_path / "p", make_contents())
    (tmp_path / "p" / "model.onnx.data").write_bytes(b"weights from elsewhere")
    with pytest.raises(CorruptedError, match=r"model\.onnx\.data is not named"):
        load_package(tmp_path / "p")


def test_a_consistent_forgery_is_refused_where_the_digest_is_known(tmp_path, make_contents):
    wanted = build_package(tmp_path / "p", make_contents()).digest
    build_package(tmp_path / "p", make_contents(b"forged"), replace=True)
    with pytest.raises(CorruptedError, match=r"manifest\.json names digest"):
        load_package(tmp_path / "p", digest=wanted)


def test_a_path_that_leaves_the_package_is_refused(tmp_path, make_contents):
    (tmp_path / "outside.txt").write_bytes(b"secret")
    files = make_contents().files() | {"../outside.txt": b"secret"}
    build_package(tmp_path / "p", make_contents())
    (tmp_path / "p" / MANIFEST_FILE).write_bytes(Manifest.of("late", files).encode())
    with pytest.raises(CorruptedError, match=r"outside\.txt is missing"):
        load_package(tmp_path / "p")


def test_a_manifest_that_leaves_out_a_required_file_is_refused(tmp_path, make_contents):
    build_package(tmp_path / "p", make_contents())
    files = make_contents().files()
    del files[PLAN_FILE]
    (tmp_path / "p" / PLAN_FILE).unlink()
    (tmp_path / "p" / MANIFEST_FILE).write_bytes(Manifest.of("late", files).encode())
    with pytest.raises(CorruptedError, match=PLAN_FILE):
        load_package(tmp_path / "p")


def test_a_later_format_version_is_refused_with_both_versions(tmp_path, make_contents):
    build_package(tmp_path / "p", make_contents())
    manifest = json.loads((tmp_path / "p" / MANIFEST_FILE).read_bytes())
    (tmp_path / "p" / MANIFEST_FILE).write_text(json.dumps(manifest | {"format_version": 2}))
    with pytest.raises(UnimplementedError, match=r"format version 2; this Headrace reads version 1"):
        load_package(tmp_path / "p")


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b'{"format": "tarball"}', b'{"format": "headrace-package", "format_version": 1}']
)
def test_a_damaged_manifest_is_refused(tmp_path, make_contents, content):
    build_package(tmp_path / "p", make_contents())
    (tmp_path / "p" / MANIFEST_FILE).write_bytes(content)
    with pytest.raises(CorruptedError, match=MANIFEST_FILE):
        load_package(tmp_path / "p")


def test_a_folder_without_a_manifest_is_no_package(tmp_path):
    with pytest.raises(NotFoundError, match=r"holds no manifest\.json"):
        load_package(tmp_path)


def test_an_existing_folder_is_replaced_only_when_asked(tmp_path, make_contents):
    first = build_package(tmp_path / "p", make_contents())
    with pytest.raises(AlreadyExistsError):
        build_package(tmp_path / "p", make_contents(b"other"))
    assert load_package(tmp_path / "p") == first
    build_package(tmp_path / "p", make_contents(b"other"), replace=True)
    assert load_package(tmp_path / "p").model == b"other"


@pytest.mark.parametrize("document", [{"mean": float("nan")}, '{"mean": Infinity}', "[]", "{", {"mean": object()}])
def test_documents_that_are_no_json_objects_are_refused_by_name(make_contents, document):
    with pytest.raises(InvalidInputError, match=BASELINE_FILE):
        dataclasses.replace(make_contents(), baseline=document).files()


def test_every_past_format_still_loads_with_the_digest_it_had():
    package = load_package(GOLDEN)
    assert package.digest == GOLDEN_DIGEST
    assert package.cuda_model is None
    assert package.signature.features == ("a", "b")


def test_the_writer_still_gives_the_golden_bytes(tmp_path, make_contents):
    build_package(tmp_path / "p", make_contents())
    assert tree(tmp_path / "p") == tree(GOLDEN)


def test_loading_a_package_imports_no_training_or_columnar_library(tmp_path):
    shutil.copytree(GOLDEN, tmp_path / "p")
    program = (
        "import sys; from pathlib import Path; from headrace.packaging.loading import load_package; "
        "import headrace.packaging.registry; load_package(Path(sys.argv[1])).signature; "
        f"print([name for name in {TRAINING_LIBRARIES} if name in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", program, tmp_path / "p"], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"
