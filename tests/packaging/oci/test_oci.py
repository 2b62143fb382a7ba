"""A package leaves as an OCI artifact and comes back as itself; anything else in its place is refused."""

from __future__ import annotations

import dataclasses
import io
import json
import random
import tarfile

import pytest

from headrace.core.errors import (
    AlreadyExistsError,
    CorruptedError,
    HeadraceError,
    InvalidInputError,
    NotFoundError,
    UnimplementedError,
)
from headrace.core.hashing import canonical_json, digest_bytes
from headrace.packaging import build_package, load_package
from headrace.packaging.manifest import MANIFEST_FILE
from headrace.packaging.oci import export_package, open_layout, read_layout
from headrace.packaging.oci.layout import INDEX_FILE, LAYOUT_FILE, MAX_FILE_BYTES, PACKAGE_TYPE, build_layout

SIGNATURES = {"ab" * 16 + ".json": b"{}", "cd" * 16 + ".json": b"{ }"}
EMPTY = "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"


def load(place):
    with open_layout(place) as layout:
        return read_layout(layout)


def tar(path, files, *, extra=()):
    with tarfile.open(path, "w") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
        for member in extra:
            archive.addfile(member)
    return path


def relink(layout, change):
    """Change the package's OCI manifest and give a layout whose digests are right again."""
    index = json.loads(layout[INDEX_FILE])
    entry = index["manifests"][0]
    path = f"blobs/sha256/{entry['digest'].removeprefix('sha256:')}"
    manifest = json.loads(layout[path])
    change(manifest)
    content = canonical_json(manifest)
    entry |= {"digest": f"sha256:{digest_bytes(content)}", "size": len(content)}
    blobs = {name: blob for name, blob in layout.items() if name not in {path, INDEX_FILE}}
    return blobs | {INDEX_FILE: canonical_json(index), f"blobs/sha256/{digest_bytes(content)}": content}


def test_both_graphs_are_layers_of_the_models_type(make_contents, tmp_path):
    """A second graph travels as the first does."""
    contents = dataclasses.replace(make_contents(), cuda_model=b"tensor operations")
    package = build_package(tmp_path / "p", contents)
    layout = build_layout(package, {})
    entry = json.loads(layout[INDEX_FILE])["manifests"][0]["digest"].removeprefix("sha256:")
    layers = json.loads(layout[f"blobs/sha256/{entry}"])["layers"]
    named = {one["annotations"]["org.opencontainers.image.title"]: one["mediaType"] for one in layers}
    assert named["model.cuda.onnx"] == named["model.onnx"] == "application/vnd.headrace.model.v1+onnx"
    export_package(package, {}, tmp_path / "late.tar")
    assert load(tmp_path / "late.tar").package.cuda_model == b"tensor operations"


@pytest.mark.parametrize("name", ["late.tar", "late"])
def test_what_was_exported_is_imported_with_its_signatures(make_package, tmp_path, name):
    package = make_package()
    export_package(package, SIGNATURES, tmp_path / name)
    imported = load(tmp_path / name)
    assert (imported.package.manifest, imported.package.files) == (package.manifest, package.files)
    assert imported.signatures == SIGNATURES


def test_equal_packages_give_equal_archives(make_package, tmp_path):
    for name in ("a", "b"):
        export_package(make_package(), SIGNATURES, tmp_path / f"{name}.tar")
    assert (tmp_path / "a.tar").read_bytes() == (tmp_path / "b.tar").read_bytes()
    with tarfile.open(tmp_path / "a.tar") as archive:
        members = archive.getmembers()
    assert [member.name for member in members] == sorted(member.name for member in members)
    assert {(m.mtime, m.uid, m.gid, m.uname, m.gname, m.mode) for m in members} == {(0, 0, 0, "", "", 0o644)}


def test_the_layout_is_what_the_specification_says(make_package):
    package = make_package()
    layout = build_layout(package, SIGNATURES)
    assert json.loads(layout[LAYOUT_FILE]) == {"imageLayoutVersion": "1.0.0"}
    for name, content in layout.items():
        assert name in {LAYOUT_FILE, INDEX_FILE} or name == f"blobs/sha256/{digest_bytes(content)}"
    index = json.loads(layout[INDEX_FILE])
    assert index["schemaVersion"] == 2
    first, *signatures = index["manifests"]
    assert first["artifactType"] == PACKAGE_TYPE
    assert first["annotations"] == {"org.opencontainers.image.ref.name": "late"}
    manifest = json.loads(layout[f"blobs/sha256/{first['digest'][7:]}"])
    assert manifest["mediaType"] == first["mediaType"] == "application/vnd.oci.image.manifest.v1+json"
    assert manifest["config"]["digest"] == f"sha256:{EMPTY}"
    titles = [layer["annotations"]["org.opencontainers.image.title"] for layer in manifest["layers"]]
    assert titles == sorted([MANIFEST_FILE, *package.files])
    for entry in signatures:
        signed = json.loads(layout[f"blobs/sha256/{entry['digest'][7:]}"])
        assert signed["subject"] == {name: first[name] for name in ("mediaType", "digest", "size")}


def test_the_packages_artifact_is_the_same_whoever_signed_it(make_package):
    unsigned, signed = (json.loads(build_layout(make_package(), s)[INDEX_FILE]) for s in ({}, SIGNATURES))
    assert unsigned["manifests"][0] == signed["manifests"][0]


def test_layers_laid_out_by_their_titles_are_the_package(make_package, tmp_path):
    """What a registry's own tool makes of the artifact."""
    package = make_package()
    layout = build_layout(package, SIGNATURES)
    first = json.loads(layout[INDEX_FILE])["manifests"][0]
    for layer in json.loads(layout[f"blobs/sha256/{first['digest'][7:]}"])["layers"]:
        target = tmp_path / "pulled" / layer["annotations"]["org.opencontainers.image.title"]
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(layout[f"blobs/sha256/{layer['digest'][7:]}"])
    assert load_package(tmp_path / "pulled").digest == package.digest


def test_an_existing_target_is_replaced_only_when_asked(make_package, tmp_path):
    for name in ("late.tar", "late"):
        export_package(make_package(), {}, tmp_path / name)
        with pytest.raises(AlreadyExistsError):
            export_package(make_package(b"2"), {}, tmp_path / name)
        assert load(tmp_path / name).package.model == make_package().model
        export_package(make_package(b"2"), {}, tmp_path / name, replace=True)
        assert load(tmp_path / name).package.model == b"2"


def test_a_flipped_bit_never_gives_another_package(make_package, tmp_path):
    package, chooser = make_package(), random.Random(3)
    intact = export_package(package, SIGNATURES, tmp_path / "late.tar").read_bytes()
    refused = 0
    for _ in range(200):
        changed = bytearray(intact)
        bit = chooser.randrange(len(changed) * 8)
        changed[bit // 8] ^= 1 << bit % 8
        (tmp_path / "late.tar").write_bytes(bytes(changed))
        try:
            imported = load(tmp_path / "late.tar")
        except HeadraceError:
            refused += 1
        else:  # padding between members, which belongs to no file
            assert imported.package.files == package.files
    assert refused > 60


@pytest.mark.parametrize(
    "name", ["../evil", "/etc/evil", "blobs/sha256/../../evil", "readme.txt", "blobs/md5/" + "0" * 32]
)
def test_a_member_of_another_name_is_refused(make_package, tmp_path, name):
    place = tar(tmp_path / "x.tar", build_layout(make_package(), {}) | {name: b"evil"})
    with pytest.raises(CorruptedError, match="does not belong into an OCI layout"):
        load(place)
    assert not (tmp_path / "evil").exists()


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE])
def test_links_and_devices_are_refused(make_package, tmp_path, kind):
    member = tarfile.TarInfo(f"blobs/sha256/{'0' * 64}")
    member.type, member.linkname = kind, "/etc/passwd"
    with pytest.raises(CorruptedError, match="no plain file"):
        load(tar(tmp_path / "x.tar", build_layout(make_package(), {}), extra=[member]))


def test_a_link_in_a_folder_is_refused(make_package, tmp_path):
    place = export_package(make_package(), {}, tmp_path / "late")
    blob = next((place / "blobs" / "sha256").iterdir())
    (tmp_path / "elsewhere").write_bytes(blob.read_bytes())
    blob.unlink()
    blob.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(CorruptedError, match="no plain file"):
        load(place)


def test_the_same_member_twice_is_refused(make_package, tmp_path):
    layout = build_layout(make_package(), {})
    member = tarfile.TarInfo(INDEX_FILE)
    with pytest.raises(CorruptedError, match="does not belong"):
        load(tar(tmp_path / "x.tar", layout, extra=[member]))


@pytest.mark.parametrize("suffix", [".tar.gz", ".bin", ".short"])
def test_anything_but_an_uncompressed_tar_file_is_refused(make_package, tmp_path, suffix):
    import gzip

    content = export_package(make_package(), {}, tmp_path / "late.tar").read_bytes()
    place = tmp_path / f"late{suffix}"
    place.write_bytes({".tar.gz": gzip.compress(content), ".bin": b"x" * 1000, ".short": content[:700]}[suffix])
    with pytest.raises((InvalidInputError, CorruptedError)):
        load(place)
    with pytest.raises(NotFoundError, match="nothing to import"):
        load(tmp_path / "none.tar")


def test_a_huge_size_is_refused_before_anything_is_read(make_package, tmp_path):
    layout = build_layout(make_package(), {})

    def enlarge(manifest):
        manifest["layers"][0]["size"] = MAX_FILE_BYTES + 1

    with pytest.raises(CorruptedError, match="allowed are"):
        load(tar(tmp_path / "a.tar", relink(layout, enlarge)))
    member = tarfile.TarInfo(LAYOUT_FILE)
    member.size = 10 * 2**40
    (tmp_path / "b.tar").write_bytes(member.tobuf() + b"\0" * 1024)
    with pytest.raises(CorruptedError):
        load(tmp_path / "b.tar")


@pytest.mark.parametrize(
    ("change", "error", "says"),
    [
        (lambda m: m.update(artifactType="application/x"), InvalidInputError, "holds no model package"),
        (lambda m: m["layers"].pop(), CorruptedError, "is missing"),
        (lambda m: m["layers"][0].pop("annotations"), CorruptedError, "has no title"),
        (lambda m: m["layers"].append(m["layers"][0]), CorruptedError, "another layer's"),
        (lambda m: m["layers"][0].update(digest="sha512:00"), CorruptedError, "no SHA-256 digest"),
        (lambda m: m["layers"][0].update(digest="sha256:" + "0" * 64), CorruptedError, "is missing"),
        (lambda m: m["layers"][0].update(size=1), CorruptedError, "allowed are 1"),
        (lambda m: m["layers"][0].update(size=None), CorruptedError, "no SHA-256 digest and size"),
        (lambda m: m.update(layers={}), CorruptedError, "'layers' is no list"),
        (lambda m: m.update(layers=[1]), CorruptedError, "'layers' is no list"),
        (lambda m: m.update(layers=m["layers"] * 100), CorruptedError, "at most 256"),
    ],
)
def test_a_consistent_forgery_is_refused_with_what_is_wrong(make_package, tmp_path, change, error, says):
    with pytest.raises(error, match=says):
        load(tar(tmp_path / "x.tar", relink(build_layout(make_package(), {}), change)))


def test_another_layout_version_is_refused(make_package, tmp_path):
    layout = build_layout(make_package(), {}) | {LAYOUT_FILE: b'{"imageLayoutVersion":"2.0.0"}'}
    with pytest.raises(UnimplementedError, match=r"version 1\.0\.0 is read"):
        load(tar(tmp_path / "x.tar", layout))


def test_two_packages_in_one_layout_are_refused(make_package, tmp_path):
    first, second = (build_layout(make_package(model), {}) for model in (b"1", b"2"))
    index = json.loads(first[INDEX_FILE])
    index["manifests"] += json.loads(second[INDEX_FILE])["manifests"]
    with pytest.raises(InvalidInputError, match="holds 2 model packages"):
        load(tar(tmp_path / "x.tar", second | first | {INDEX_FILE: canonical_json(index)}))
