"""Tensors in system shared memory: registered, read, written, and refused wherever they do not fit."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.core.errors import (
    AlreadyExistsError,
    HeadraceError,
    InvalidInputError,
    NotFoundError,
    UnimplementedError,
)
from headrace.serving.protocol.shared_memory import MAX_REGIONS, Place, SharedMemory, find_place
from headrace.serving.protocol.system_memory import SystemRegion
from headrace.wire import inference_pb2 as pb

ROWS = np.array([[1, 2, 3, 4], [10, 20, 30, 40]], np.float32)
SCORES = [1010.0, 1100.0]
SHM = Path("/dev/shm")  # noqa: S108

pytestmark = pytest.mark.skipif(not SHM.is_dir(), reason="no /dev/shm: no POSIX shared memory objects on this system")


class Regions(SharedMemory):
    """Shared memory whose objects are in a folder of the test."""

    def register(self, name: str, key: str, offset: int, byte_size: int) -> None:
        self.register_system(
            pb.SystemSharedMemoryRegisterRequest(name=name, key=key, offset=offset, byte_size=byte_size)
        )


@pytest.fixture
def regions(tmp_path) -> Regions:
    (tmp_path / "object").write_bytes(bytes(range(100)))
    return Regions(tmp_path)


@pytest.fixture
def key() -> Iterator[str]:
    """A shared memory object of 4,096 bytes that ends with the test."""
    path = SHM / f"headrace-test-{os.getpid()}"
    path.write_bytes(bytes(4096))
    yield f"/{path.name}"
    path.unlink()


def parameters(**given) -> object:
    message = pb.ModelInferRequest()
    for name, value in given.items():
        kind = "string_param" if isinstance(value, str) else "int64_param"
        setattr(message.parameters[f"shared_memory_{name}"], kind, value)
    return message.parameters


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_a_region_is_a_part_of_its_object(regions):
    regions.register("r", "/object", 10, 50)
    assert find_place(regions, parameters(region="r", byte_size=3, offset=2), "input 'x'").read() == b"\x0c\x0d\x0e"
    (region,) = regions.listed(SystemRegion, "r")
    assert (region.name, region.key, region.offset, region.byte_size) == ("r", "/object", 10, 50)


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("", "is no name of a shared memory object"),
        ("/", "is no name of a shared memory object"),
        ("..", "is no name of a shared memory object"),
        ("/../etc/passwd", "is no name of a shared memory object"),
        ("a/b", "is no name of a shared memory object"),
        ("object\0", "is no name of a shared memory object"),
        ("x" * 256, "is no name of a shared memory object"),
        ("link", "cannot be opened"),
        ("folder", "cannot be opened"),
        ("pipe", "is no shared memory object"),
    ],
)
def test_a_key_names_one_object_and_nothing_else(regions, tmp_path, key, words):
    (tmp_path / "link").symlink_to(tmp_path / "object")
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InvalidInputError, match=words):
        regions.register("r", key, 0, 1)


@pytest.mark.parametrize(("offset", "size"), [(0, 101), (100, 1), (2**63, 2**63), (0, 0)])
def test_a_part_that_is_not_inside_of_its_object_is_refused(regions, offset, size):
    with pytest.raises(InvalidInputError, match="'r'"):
        regions.register("r", "object", offset, size)


def test_an_object_that_is_not_there_and_a_name_that_is_taken(regions):
    with pytest.raises(NotFoundError, match="no object 'nothing'"):
        regions.register("r", "nothing", 0, 1)
    regions.register("r", "object", 0, 1)
    with pytest.raises(AlreadyExistsError, match="'r' is registered"):
        regions.register("r", "object", 0, 1)
    with pytest.raises(InvalidInputError, match="needs a name"):
        regions.register("", "object", 0, 1)


def test_refused_and_forgotten_regions_leave_no_file_open(regions):
    before = open_files()
    for _ in range(3):
        with contextlib.suppress(HeadraceError):
            regions.register("r", "object", 0, 101)
        regions.register("r", "object", 0, 1)
        regions.unregister(SystemRegion, "r")
        regions.unregister(SystemRegion, "r")
        regions.register("other", "object", 0, 1)
        regions.unregister(SystemRegion, "")
    assert open_files() == before
    assert regions.listed(SystemRegion, "") == []


def test_regions_are_counted(regions):
    for number in range(MAX_REGIONS):
        regions._regions[str(number)] = None
    with pytest.raises(HeadraceError, match="no more may be"):
        regions.register("one-more", "object", 0, 1)


def test_a_region_in_use_outlives_its_registration(regions):
    regions.register("r", "object", 0, 100)
    place = find_place(regions, parameters(region="r", byte_size=2, offset=5), "input 'x'")
    regions.unregister(SystemRegion, "r")
    assert place.read() == b"\x05\x06"
    with pytest.raises(NotFoundError, match="'r' is not registered"):
        find_place(regions, parameters(region="r", byte_size=2), "input 'x'")


def test_an_object_that_shrinks_is_an_error_and_not_the_end(regions, tmp_path):
    regions.register("r", "object", 0, 100)
    place = find_place(regions, parameters(region="r", byte_size=100), "output 'y'")
    os.truncate(tmp_path / "object", 10)
    with pytest.raises(InvalidInputError, match="has become shorter; 10 of 100 bytes"):
        place.read()
    with pytest.raises(InvalidInputError, match="has become shorter"):
        place.write(b"x" * 20, "y")
    assert (tmp_path / "object").stat().st_size == 10


@given(st.integers(-(2**63), 2**63 - 1), st.integers(-(2**63), 2**63 - 1))
def test_no_place_reaches_beyond_its_region(offset, size):
    regions = Regions()
    regions._regions["r"] = region = type("Region", (), {"byte_size": 64, "name": "r"})()
    try:
        place = find_place(regions, parameters(region="r", byte_size=size, offset=offset), "input 'x'")
    except InvalidInputError:
        return
    assert place == Place(region, offset, size)
    assert 0 <= offset <= offset + size <= 64


def test_parameters_without_a_region_or_a_size_are_refused(regions):
    regions.register("r", "object", 0, 100)
    assert find_place(regions, parameters(), "input 'x'") is None
    for given_parameters in (parameters(byte_size=1), parameters(region="r"), parameters(region="r", byte_size="1")):
        with pytest.raises(InvalidInputError):
            find_place(regions, given_parameters, "input 'x'")


def test_a_system_without_shared_memory_says_so(tmp_path):
    with pytest.raises(UnimplementedError, match="no system shared memory"):
        Regions(tmp_path / "nothing").register("r", "object", 0, 1)


def shared(client, key, *, output_bytes=8) -> pb.ModelInferRequest:
    """Ask with the input and the output in one object: rows at 0, scores at 1024."""
    (SHM / key[1:]).write_bytes(ROWS.tobytes().ljust(4096, b"\0"))
    client._call(
        "SystemSharedMemoryRegister",
        pb.SystemSharedMemoryRegisterRequest(name="r", key=key, offset=0, byte_size=4096),
    )
    message = pb.ModelInferRequest(model_name="late")
    source = message.inputs.add(name="features", datatype="FP32", shape=[2, 4]).parameters
    target = message.outputs.add(name="score").parameters
    for place, size, offset in ((source, 32, 0), (target, output_bytes, 1024)):
        place["shared_memory_region"].string_param = "r"
        place["shared_memory_byte_size"].int64_param = size
        place["shared_memory_offset"].int64_param = offset
    return message


def test_rows_are_read_from_shared_memory_and_scores_written_to_it(start, key):
    _, client = start()
    answer = client._call("ModelInfer", shared(client, key, output_bytes=100))
    assert list(answer.raw_output_contents) == [b""]
    where = answer.outputs[0].parameters
    assert where["shared_memory_region"].string_param == "r"
    assert (where["shared_memory_byte_size"].int64_param, where["shared_memory_offset"].int64_param) == (8, 1024)
    assert np.fromfile(SHM / key[1:], np.float32, 2, offset=1024).tolist() == SCORES
    status = client._call("SystemSharedMemoryStatus", pb.SystemSharedMemoryStatusRequest())
    assert [(r.name, r.key, r.offset, r.byte_size) for r in status.regions.values()] == [("r", key, 0, 4096)]
    client._call("SystemSharedMemoryUnregister", pb.SystemSharedMemoryUnregisterRequest(name="r"))
    with pytest.raises(NotFoundError):
        client._call("SystemSharedMemoryStatus", pb.SystemSharedMemoryStatusRequest(name="r"))


def test_shared_memory_and_messages_mix_in_one_request(start, key):
    _, client = start()
    message = shared(client, key)
    del message.outputs[:]
    assert np.frombuffer(client._call("ModelInfer", message).raw_output_contents[0], "<f4").tolist() == SCORES
    message.raw_input_contents.append(b"")
    with pytest.raises(InvalidInputError, match="1 entries for 0 inputs"):
        client._call("ModelInfer", message)
    del message.raw_input_contents[:]
    message.inputs[0].contents.fp32_contents.append(1)
    with pytest.raises(InvalidInputError, match="beside shared memory"):
        client._call("ModelInfer", message)


def test_sizes_that_do_not_fit_are_refused(start, key):
    _, client = start()
    message = shared(client, key, output_bytes=7)
    with pytest.raises(InvalidInputError, match="output 'score' has 8 bytes, 7 of shared memory region 'r'"):
        client._call("ModelInfer", message)
    message.inputs[0].parameters["shared_memory_byte_size"].int64_param = 31
    with pytest.raises(InvalidInputError, match="31 bytes came, FP32 of shape"):
        client._call("ModelInfer", message)
    message.inputs[0].parameters["shared_memory_byte_size"].int64_param = 4097
    with pytest.raises(InvalidInputError, match="bytes 0 to 4097 came, shared memory region 'r' has 4096"):
        client._call("ModelInfer", message)
