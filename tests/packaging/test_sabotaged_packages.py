"""Whatever is done to a stored package, it is refused: a flipped bit, a renamed file, one that does not belong."""

from __future__ import annotations

import json
import random
import subprocess
import sys

import pytest

from headrace.core.errors import CorruptedError, HeadraceError, NotFoundError, UnimplementedError
from headrace.packaging import Package, build_package, load_package
from headrace.packaging.loading import check_files, read_manifest, read_package
from headrace.packaging.manifest import MANIFEST_FILE, Manifest
from headrace.packaging.package import MODEL_FILE
from headrace.packaging.package_files import FolderFiles, MemoryFiles

FLIPS = 200
BUILDER = """
import sys
from pathlib import Path
from headrace.packaging import PackageContents, Signature, build_package

contents = PackageContents(
    name="late", model=bytes(range(256)) * 50, plan={"b": 1.5e-7, "a": [1, 2.5]}, schema={"t": {"y": 1, "x": 2}},
    signature=Signature.of_matrix(("a", "b")), baseline={"z": 0.1, "a": 1e300},
    evaluation={str(n): n for n in {5, 3, 8}},
    lineage={k: hash(k) * 0 for k in {"one", "two", "three"}}, sbom={"bomFormat": "CycloneDX"}, model_card="# late\\n",
)
print(build_package(Path(sys.argv[1]), contents).digest)
"""


@pytest.fixture
def package(tmp_path, make_contents):
    return build_package(tmp_path / "p", make_contents(bytes(range(256)) * 8))


def flip(content: bytes, bit: int) -> bytes:
    changed = bytearray(content)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def test_200_flipped_bits_anywhere_in_the_content_are_200_refusals_that_name_the_file(package):
    chooser = random.Random(20)
    files = sorted(file for file in package.path.rglob("*") if file.is_file())
    sizes = [file.stat().st_size * 8 for file in files]
    for _ in range(FLIPS):
        file = chooser.choices(files, weights=sizes)[0]
        intact = file.read_bytes()
        file.write_bytes(flip(intact, chooser.randrange(len(intact) * 8)))
        with pytest.raises((CorruptedError, UnimplementedError)) as caught:
            load_package(package.path)
        assert file.relative_to(package.path).as_posix() in caught.value.message
        file.write_bytes(intact)
    assert load_package(package.path) == package


def test_every_flipped_bit_of_the_manifest_is_refused(package):
    manifest = (package.path / MANIFEST_FILE).read_bytes()
    accepted = []
    for bit in range(len(manifest) * 8):
        try:
            Manifest.decode(flip(manifest, bit), place=MANIFEST_FILE)
        except HeadraceError:
            continue
        accepted.append(bit)
    assert not accepted


def test_flipped_bits_of_file_names_are_refused(package):
    chooser = random.Random(21)
    files = sorted(file for file in package.path.rglob("*") if file.is_file())
    flipped = 0
    while flipped < FLIPS:
        file = chooser.choice(files)
        name = flip(file.name.encode(), chooser.randrange(len(file.name) * 8))
        if b"/" in name or b"\0" in name:
            continue
        target = file.parent / name.decode("utf-8", "surrogateescape")
        file.rename(target)
        with pytest.raises((CorruptedError, NotFoundError)) as caught:
            load_package(package.path)
        caught.value.message.encode()  # a name that is no text can still be printed
        target.rename(file)
        flipped += 1
    assert load_package(package.path) == package


@pytest.mark.parametrize("name", ["extra.bin", "baseline/more.json", ".hidden", "deep/er/file"])
def test_a_file_or_link_that_does_not_belong_there_is_refused(package, name):
    target = package.path / name
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(b"")
    with pytest.raises(CorruptedError, match=f"{name} is not named"):
        load_package(package.path)
    target.unlink()
    target.symlink_to("/etc/hostname")
    with pytest.raises(CorruptedError, match=f"{name} is not named"):
        load_package(package.path)


@pytest.mark.parametrize("name", ["../outside", "/etc/passwd", "a/../../b", "a\\b", "", ".x", "a/b/c", "a//b"])
def test_a_name_that_would_leave_the_package_is_refused_however_consistent_it_is(tmp_path, make_contents, name):
    files = make_contents().files() | {name: b"evil"}
    manifest = Manifest.of("late", files)
    memory = MemoryFiles("archive", files | {MANIFEST_FILE: manifest.encode()})
    with pytest.raises(CorruptedError, match="is no name of a file in a package"):
        read_package(memory, path=tmp_path)


def test_a_manifest_in_other_words_is_refused(package):
    body = json.loads((package.path / MANIFEST_FILE).read_bytes())
    (package.path / MANIFEST_FILE).write_text(json.dumps(body, indent=1))
    with pytest.raises(CorruptedError, match="not in the form that Headrace writes"):
        load_package(package.path)


def test_all_that_is_wrong_is_told_file_by_file(package):
    (package.path / MODEL_FILE).write_bytes(b"altered")
    (package.path / "plan.json").unlink()
    (package.path / "extra").write_bytes(b"x")
    files = FolderFiles(package.path)
    checks = {check.name: check for check in check_files(files, read_manifest(files))}
    assert {name for name, check in checks.items() if check.problem} == {MODEL_FILE, "plan.json", "extra"}
    assert "plan.json is missing" in checks["plan.json"].problem.message
    assert len(checks) == len(package.files) + 1


def test_a_directory_in_a_files_place_is_refused(package):
    (package.path / MODEL_FILE).unlink()
    (package.path / MODEL_FILE).mkdir()
    with pytest.raises(CorruptedError, match=MODEL_FILE):
        load_package(package.path)


@pytest.mark.slow
def test_two_builds_in_two_processes_and_folders_have_one_digest(tmp_path):
    digests = set()
    for number, seed in enumerate(("0", "1", "random")):
        folder = tmp_path / f"folder {number}" / ("deep" * number)
        folder.mkdir(parents=True)
        done = subprocess.run(
            [sys.executable, "-c", BUILDER, folder / "p"], capture_output=True, text=True, check=True, cwd=folder,
            env={"PYTHONHASHSEED": seed, "PATH": "", "TZ": f"UTC{number}", "HOME": str(folder)},
        )  # fmt: skip
        digests.add(done.stdout.strip())
        assert load_package(folder / "p").digest in digests
    assert len(digests) == 1


def test_a_package_in_memory_is_checked_as_one_on_disk(package, tmp_path):
    contents = {MANIFEST_FILE: package.manifest.encode(), **package.files}
    assert read_package(MemoryFiles("m", contents), path=tmp_path) == Package(tmp_path, package.manifest, package.files)
    with pytest.raises(CorruptedError, match=f"{MODEL_FILE} has digest"):
        read_package(MemoryFiles("m", contents | {MODEL_FILE: b"x"}), path=tmp_path)
