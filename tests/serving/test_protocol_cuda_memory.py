"""CUDA shared memory: against a stand-in with the driver's signatures everywhere, against the driver where a GPU is."""

import ctypes
import gc
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from headrace.core.errors import InvalidInputError, UnimplementedError
from headrace.serving.protocol.cuda_memory import HANDLE_BYTES, CudaDriver, CudaRegion
from headrace.serving.protocol.memory_methods import SharedMemoryMethods
from headrace.serving.protocol.shared_memory import Place, SharedMemory
from headrace.wire import inference_pb2 as pb

SOURCE = Path(__file__).with_name("fake_cuda.c")
HANDLE = b"H".ljust(HANDLE_BYTES - 1, b"\0") + b"E"

EXPORT = """
import ctypes, sys
import numpy as np
cuda = ctypes.CDLL("libcuda.so.1")
def call(name, *arguments):
    code = getattr(cuda, name)(*arguments)
    assert code == 0, (name, code)
device, context, pointer, handle = ctypes.c_int(), ctypes.c_void_p(), ctypes.c_uint64(), ctypes.create_string_buffer(64)
call("cuInit", ctypes.c_uint(0))
call("cuDeviceGet", ctypes.byref(device), ctypes.c_int(0))
call("cuDevicePrimaryCtxRetain", ctypes.byref(context), device)
call("cuCtxSetCurrent", context)
call("cuMemAlloc_v2", ctypes.byref(pointer), ctypes.c_size_t(1 << 21))
rows = np.arange(8, dtype=np.float32)
call("cuMemcpyHtoD_v2", pointer, rows.ctypes.data_as(ctypes.c_void_p), ctypes.c_size_t(rows.nbytes))
call("cuIpcGetMemHandle", handle, pointer)
print(handle.raw.hex(), flush=True)
sys.stdin.readline()
back = np.zeros(8, np.float32)
call("cuMemcpyDtoH_v2", back.ctypes.data_as(ctypes.c_void_p), pointer, ctypes.c_size_t(back.nbytes))
print(back.tolist(), flush=True)
"""


@pytest.fixture(scope="module")
def library(tmp_path_factory) -> str:
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler for the stand-in of the driver")
    target = tmp_path_factory.mktemp("cuda") / "libfake_cuda.so"
    command = [compiler, "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-o", target, SOURCE]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    return str(target)


@pytest.fixture
def memory(library, tmp_path) -> SharedMemory:
    return SharedMemory(tmp_path, lambda: CudaDriver(library))


def register(memory: SharedMemory, name: str = "gpu", **changes) -> None:
    given = {"name": name, "raw_handle": HANDLE, "device_id": 0, "byte_size": 256} | changes
    memory.register_cuda(pb.CudaSharedMemoryRegisterRequest(**given))


def open_things(library: str) -> tuple[int, int]:
    gc.collect()
    fake = ctypes.CDLL(library)
    return fake.fake_contexts(), fake.fake_mappings()


def test_device_memory_is_read_and_written_from_any_thread(memory):
    register(memory)
    place = Place(memory.find("gpu"), 10, 4)
    seen: list[bytes] = []
    thread = threading.Thread(target=lambda: seen.append(place.read()))
    thread.start()
    thread.join()
    assert seen == [b"\x0a\x0b\x0c\x0d"]
    place.write(b"abcd", "y")
    assert Place(memory.find("gpu"), 9, 6).read() == b"\x09abcd\x0e"


def test_status_names_device_and_size_and_regions_of_the_system_stay_apart(memory, tmp_path):
    (tmp_path / "object").write_bytes(bytes(10))
    memory.register_system(pb.SystemSharedMemoryRegisterRequest(name="host", key="object", byte_size=10))
    register(memory)
    methods = SharedMemoryMethods(memory).methods
    regions = methods["CudaSharedMemoryStatus"](pb.CudaSharedMemoryStatusRequest()).regions
    assert [(r.name, r.device_id, r.byte_size) for r in regions.values()] == [("gpu", 0, 256)]
    methods["CudaSharedMemoryUnregister"](pb.CudaSharedMemoryUnregisterRequest())
    assert not methods["CudaSharedMemoryStatus"](pb.CudaSharedMemoryStatusRequest()).regions
    assert methods["SystemSharedMemoryStatus"](pb.SystemSharedMemoryStatusRequest()).regions


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"raw_handle": b"H"}, "a handle of 1 bytes came, expected 64"),
        ({"raw_handle": b"x" * 64}, "refused cuIpcOpenMemHandle_v2: CUDA_ERROR_INVALID_VALUE"),
        ({"device_id": 3}, "refused cuDeviceGet: CUDA_ERROR_INVALID_DEVICE"),
        ({"device_id": -1}, "device_id is -1"),
        ({"byte_size": 257}, "byte_size is 257, the memory has 256 bytes"),
        ({"byte_size": 0}, "byte_size is 0"),
        ({"name": ""}, "needs a name"),
    ],
)
def test_what_does_not_fit_is_refused_and_leaves_nothing_open(memory, library, changes, words):
    before = open_things(library)
    with pytest.raises(InvalidInputError, match=words):
        register(memory, **changes)
    assert open_things(library) == before


def test_a_region_is_closed_when_its_last_user_lets_go(memory, library):
    before = open_things(library)
    register(memory)
    place = Place(memory.find("gpu"), 0, 1)
    memory.unregister(CudaRegion, "gpu")
    assert open_things(library) == (before[0] + 1, before[1] + 1)
    assert place.read() == b"\0"
    del place
    assert open_things(library) == before


def test_without_a_driver_it_says_so():
    memory = SharedMemory(open_driver=lambda: CudaDriver("libno-such-driver.so.1"))
    with pytest.raises(UnimplementedError, match=r"needs a CUDA driver, and libno-such-driver\.so\.1 is not found"):
        register(memory)


@pytest.mark.gpu
def test_memory_of_another_process_is_read_and_written():
    """With the real driver: a handle opens in every process but its own."""
    try:
        driver = CudaDriver()
    except UnimplementedError as error:
        pytest.skip(error.message)
    with subprocess.Popen([sys.executable, "-c", EXPORT], stdin=-1, stdout=-1, text=True) as exporter:
        memory = SharedMemory(open_driver=lambda: driver)
        register(memory, raw_handle=bytes.fromhex(exporter.stdout.readline()), byte_size=32)
        place = Place(memory.find("gpu"), 0, 32)
        rows = np.frombuffer(place.read(), np.float32)
        assert rows.tolist() == list(range(8))
        place.write((rows * 2).tobytes(), "y")
        memory.unregister(CudaRegion, "")
        answer, _ = exporter.communicate("\n", timeout=60)
    assert answer.strip() == str((rows * 2).tolist())
