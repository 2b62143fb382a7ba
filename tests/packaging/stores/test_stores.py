"""Every store of packages keeps whole packages by digest, and hands out nothing that it did not verify."""

from __future__ import annotations

import subprocess
import sys

import pytest

from headrace.core.errors import CorruptedError, InvalidInputError, NotFoundError, UnavailableError
from headrace.packaging.manifest import MANIFEST_FILE
from headrace.packaging.package import MODEL_FILE
from headrace.packaging.stores import open_store

PLACES = ["folder", pytest.param("s3", marks=pytest.mark.slow)]


class Folder:
    """A store in a folder, and hands that damage it."""

    def __init__(self, tmp_path):
        self.root = tmp_path / "store"

    def open(self, name="here"):
        return open_store(self.root, cache=self.root.parent / f"cache-{name}")

    def write(self, path, content):
        (self.root / "packages" / path).write_bytes(content)

    def delete(self, path):
        (self.root / "packages" / path).unlink()

    def names(self):
        packages = self.root / "packages"
        return {file.relative_to(packages).as_posix() for file in packages.rglob("[!.]*") if file.is_file()}


class Bucket:
    """A store in an object store, and hands that damage it."""

    def __init__(self, tmp_path, system):
        self.root = tmp_path
        self.system = system

    def open(self, name="here"):
        return open_store("s3://shop/models", cache=self.root / f"cache-{name}")

    def write(self, path, content):
        with self.system.open_output_stream(f"shop/models/packages/{path}", compression=None) as out:
            out.write(content)

    def delete(self, path):
        self.system.delete_file(f"shop/models/packages/{path}")

    def names(self):
        from pyarrow.fs import FileSelector, FileType

        found = self.system.get_file_info(FileSelector("shop/models/packages", recursive=True, allow_not_found=True))
        return {info.path.removeprefix("shop/models/packages/") for info in found if info.type == FileType.File}


@pytest.fixture(params=PLACES)
def place(request, tmp_path):
    return Folder(tmp_path) if request.param == "folder" else Bucket(tmp_path, request.getfixturevalue("s3_bucket"))


class TestEveryStore:
    def test_what_was_put_is_loaded_and_put_again_changes_nothing(self, place, make_package):
        package, store = make_package(), place.open()
        assert not store.has(package.digest)
        store.put(package)
        before = place.names()
        store.put(package)
        assert place.names() == before == {f"{package.digest}/{name}" for name in [*package.files, MANIFEST_FILE]}
        assert store.has(package.digest)
        for opened in (store, place.open("elsewhere")):
            loaded = opened.get(package.digest)
            assert (loaded.files, loaded.manifest) == (package.files, package.manifest)
            assert loaded.path == opened.path(package.digest)
            assert (loaded.path / MANIFEST_FILE).is_file()

    def test_a_package_that_is_not_there_is_named(self, place):
        with pytest.raises(NotFoundError, match="no model package"):
            place.open().get("0" * 64)
        assert place.open().files("0" * 64).names() == frozenset()

    def test_a_damaged_package_is_refused_and_repaired_by_putting_it_again(self, place, make_package):
        package = make_package()
        place.open().put(package)
        place.write(f"{package.digest}/{MODEL_FILE}", b"altered")
        fresh = place.open("elsewhere")
        with pytest.raises(CorruptedError, match=f"{MODEL_FILE} has digest"):
            fresh.get(package.digest)
        place.open().put(package)
        assert fresh.get(package.digest).files == package.files

    def test_a_writer_that_died_half_way_left_no_package_and_the_next_one_ends_it(self, place, make_package):
        package = make_package()
        place.open().put(package)
        place.delete(f"{package.digest}/{MANIFEST_FILE}")
        assert not place.open().has(package.digest)
        with pytest.raises(NotFoundError):
            place.open("elsewhere").get(package.digest)
        place.open().put(package)
        assert place.open("elsewhere").get(package.digest).files == package.files

    def test_a_removed_package_is_gone_with_all_that_belongs_to_it(self, place, make_package):
        first, second, store = make_package(b"1"), make_package(b"2"), place.open()
        for package in (first, second):
            store.put(package)
            store.sign(package.digest, "key.json", b"{}")
        assert store.remove(first.digest) >= first.size_bytes
        assert not store.has(first.digest)
        assert {name[:64] for name in place.names()} == {second.digest}
        with pytest.raises(NotFoundError):
            store.get(first.digest)
        assert store.remove(first.digest) == 0
        assert store.get(second.digest).files == second.files

    def test_signatures_lie_beside_the_package_and_change_nothing_in_it(self, place, make_package):
        package, store = make_package(), place.open()
        store.put(package)
        assert store.signatures(package.digest) == {}
        store.sign(package.digest, "b.json", b"1")
        store.sign(package.digest, "a.json", b"2")
        store.sign(package.digest, "b.json", b"3")
        assert store.signatures(package.digest) == {"a.json": b"2", "b.json": b"3"}
        assert place.open("elsewhere").get(package.digest) is not None

    def test_stored_files_can_be_looked_at_one_by_one(self, place, make_package):
        package, store = make_package(), place.open()
        store.put(package)
        files = store.files(package.digest)
        assert files.names() == {*package.files, MANIFEST_FILE}
        assert files.read(MODEL_FILE) == package.model
        with pytest.raises(FileNotFoundError):
            files.read("none")
        assert package.digest in files.place


@pytest.mark.slow
class TestObjects:
    def test_a_package_is_fetched_once_and_then_loaded_from_the_cache(self, s3_bucket, tmp_path, make_package):
        place, package = Bucket(tmp_path, s3_bucket), make_package()
        place.open().put(package)
        reader = place.open("elsewhere")
        reader.get(package.digest)
        s3_bucket.delete_dir_contents("shop")
        assert reader.get(package.digest).files == package.files

    def test_a_damaged_cached_copy_is_fetched_again(self, s3_bucket, tmp_path, make_package):
        place, package = Bucket(tmp_path, s3_bucket), make_package()
        store = place.open()
        store.put(package)
        (store.path(package.digest) / MODEL_FILE).write_bytes(b"altered")
        assert store.get(package.digest).model == package.model
        assert (store.path(package.digest) / MODEL_FILE).read_bytes() == package.model

    def test_a_server_that_does_not_answer_is_told(self, s3_bucket, tmp_path, make_package, monkeypatch):
        monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
        monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
        store = Bucket(tmp_path, s3_bucket).open()
        with pytest.raises(UnavailableError, match=r"s3://shop/models/packages/0+\S* cannot be reached"):
            store.get("0" * 64)


@pytest.mark.parametrize(
    ("uri", "says"),
    [("ftp://host/models", "cannot be kept in 'ftp://'; allowed: a folder, s3://"), ("s3://", "names no bucket")],
)
def test_a_place_that_is_no_store_is_refused(tmp_path, uri, says):
    with pytest.raises(InvalidInputError, match=says):
        open_store(uri, cache=tmp_path)


def test_credentials_in_a_uri_are_not_shown(tmp_path):
    store = open_store("s3://me:geheim@shop/models?endpoint_override=localhost:1&scheme=http", cache=tmp_path)
    assert store.place == "s3://shop/models/packages"


def test_a_folder_store_loads_no_arrow(tmp_path):
    program = (
        "import sys; from pathlib import Path; from headrace.packaging.stores import open_store; "
        "open_store(Path(sys.argv[1]), cache=Path()); print('pyarrow' in sys.modules, 'cryptography' in sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", program, tmp_path], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "False False"
