"""Features on devices: the CPU's bits, whatever the chunks and however many devices, also when one fails half-way."""

from __future__ import annotations

import ctypes
import gc
import importlib.util
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

import headrace.features as hr
from headrace.core.errors import InvalidInputError, UnavailableError
from headrace.data.types import table_dtypes
from headrace.features import arrow_structures, device_arrow
from headrace.features.build.checking import check_features
from headrace.features.device import DeviceMode, Devices, open_devices
from headrace.features.executor.device.group import DeviceGroup
from headrace.features.executor.keys import KeyCodes
from headrace.features.executor.spine import Spine
from headrace.features.table_inputs import as_table
from headrace_kernels.cuda import device

sys.path.insert(0, str(Path(__file__).parents[1] / "kernels" / "devices"))
from emulated_device import COMPILER, EmulatedDevice

pytestmark = pytest.mark.skipif(COMPILER is None, reason="no C++ compiler: the emulator cannot be built")
SETS = 24


@pytest.fixture(scope="module")
def sets():
    """The module `generated_sets.py`."""
    path = Path(__file__).parent / "generated_sets.py"
    spec = importlib.util.spec_from_file_location("generated_sets", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def on(*devices, keep_matrix=False):
    return Devices(DeviceMode.CUDA, devices, keep_matrix=keep_matrix)


def same_bits(expected, found):
    """Where two matrices are equal; of any NaN the second has NumPy's."""
    plain = np.float32(np.nan).view(np.uint32)
    bits = found.view(np.uint32)
    return (expected.view(np.uint32) == bits) | (np.isnan(expected) & (bits == plain))


def assert_same(generated, devices):
    """The matrix of the devices and of the CPU are equal bit for bit; gives the former.

    Where the CPU has a NaN of whatever bits, a device has NumPy's.
    """
    expected = hr.compute(generated.plan, generated.tables)
    found = hr.compute(generated.plan, generated.tables, device=devices)
    same = same_bits(expected.values, found.values)
    wrong = [expected.names[column] for column in np.flatnonzero(~same.all(axis=0))]
    assert not wrong, wrong
    return found


def full(sets, seed, *, own=True):
    """The first generated set from a seed on with 300 events and as many rows that ask, or half as many."""
    while True:
        generated = sets.generate_complete(seed, rows=300, own=own)
        if min(generated.tables["events"].num_rows, 2 * generated.tables[generated.plan.spine].num_rows) >= 300:
            return generated
        seed += 100


@pytest.mark.parametrize("first", range(0, SETS, 12))
def test_generated_sets_have_the_bits_of_the_cpu(sets, first):
    there = 0
    for seed in range(first, first + 12):
        found = assert_same(sets.generate(seed), on(EmulatedDevice(seed)))
        there += sum(each.features for each in found.placements if each.device == "cuda")
    assert there > 20


@pytest.mark.parametrize("own", [True, False], ids=["own spine", "other spine"])
@pytest.mark.parametrize("seed", range(2))
def test_every_statistic_over_every_extent_has_the_bits_of_the_cpu(sets, seed, own):
    generated = full(sets, seed, own=own)
    found = assert_same(generated, on(EmulatedDevice(seed)))
    assert {each.device for each in found.placements} == {"cuda", "cpu"}
    assert all(each.reason for each in found.placements if each.device == "cpu")


@pytest.mark.parametrize("devices", [1, 2], ids=["one device", "two devices"])
def test_chunks_of_keys_do_not_show(sets, devices):
    several = [EmulatedDevice(3, number) for number in range(devices)]
    for each in several:
        each.free_bytes = 150_000
    generated = full(sets, 5, own=False)
    assert_same(generated, on(*several))
    assert all(each.launches for each in several)


def test_every_device_has_work_before_one_has_a_second_lane(sets):
    """Two chunks, two devices: each takes one."""
    several = [EmulatedDevice(1, number) for number in range(2)]
    used = []

    class Target:
        n_features = 1

        def write(self, block, here, groups, slots):
            used.append(device.current().number)

    codes = np.repeat(np.arange(2, dtype=np.int32), 50)
    asking = Spine(None, np.arange(100), "at", 0)
    group = DeviceGroup(KeyCodes(codes, codes.copy(), 2), [Slow()], asking, lambda work, n: [*map(work, range(n))])
    group.run_on(several, Target())
    assert sorted(used) == [0, 1]


class Slow:
    """A block whose work takes long enough for the other lane to take the other chunk."""

    slots = (0,)

    def prepare(self, here):
        time.sleep(0.2)

    def write(self, prepared, here, queries, out):
        out[...] = 0


def test_what_does_not_fit_is_done_by_the_cpu(sets):
    device = EmulatedDevice()
    device.free_bytes = 8
    found = assert_same(full(sets, 1), on(device))
    assert not [each for each in found.placements if each.device == "cuda"]
    assert any("do not fit" in each.reason for each in found.placements)


@pytest.mark.parametrize("launches", [0, 1, 40, 200])
def test_a_device_lost_half_way_leaves_its_work_to_the_cpu(sets, launches):
    found = assert_same(full(sets, 2), on(EmulatedDevice(lost_after=launches)))
    assert any("unspecified launch failure" in each.reason for each in found.placements)


def test_a_check_of_features_compares_the_device_with_the_cpu(sets):
    generated = full(sets, 3)
    report = check_features(generated.plan, generated.tables, sample=2, devices=on(EmulatedDevice()))
    assert report.passed, report.lines
    assert "emulated 0 = CPU" in {line.name for line in report.lines}


def test_the_matrix_can_stay_on_the_device(sets):
    for seed in range(6):
        generated = sets.generate_complete(seed, rows=40, own=seed % 2 == 0)
        found = assert_same(generated, on(EmulatedDevice(), keep_matrix=True))
        if found.on_device is not None:
            assert same_bits(found.values, found.on_device).all()


def test_a_device_that_is_not_there_is_said_and_not_waited_for():
    assert open_devices("cpu") == Devices()
    found = open_devices("auto")
    assert found.devices == ()
    assert found.reason
    with pytest.raises(UnavailableError, match="CUDA is required and cannot be used"):
        open_devices("cuda")
    with pytest.raises(InvalidInputError, match="no device 'gpu'"):
        open_devices("gpu")


@pytest.mark.parametrize("device", [Devices(), on(EmulatedDevice())], ids=["cpu", "device"])
def test_a_sum_out_of_range_is_refused_in_the_same_words(device):
    events = hr.EventTable("events", keys=["key"], event_time="at", resolution={"amount": 2**-30})
    features = hr.FeatureSet(
        "sums",
        spine=events,
        at="at",
        features=[hr.windows(events, by="key", over=["1h"], values={"amount": [hr.Sum()]})],
    )
    table = pa.table(
        {
            "key": pa.array([1, 1, 1], pa.int64()),
            "at": pa.array([0, 1, 2], pa.timestamp("us", "UTC")),
            "amount": pa.array([8e9, 8e9, 1.0], pa.float64()),
        }
    )
    plan = hr.compile_plan(features, {"events": table_dtypes(table)})
    with pytest.raises(
        InvalidInputError, match="column 'amount' of 'events': 2 events in a window, with values up to"
    ) as info:
        hr.compute(plan, {"events": table}, device=device)
    assert "declare a coarser step" in info.value.hint


def test_a_matrix_on_a_device_is_an_arrow_array_without_a_copy(sets):
    """The emulated device's memory is the CPU's, so that Arrow itself reads what is handed out."""
    found = next(
        found
        for seed in range(9)
        if (found := assert_same(full(sets, seed), on(EmulatedDevice(), keep_matrix=True))).on_device is not None
    )
    schema, array = found.to_arrow_device().__arrow_c_device_array__()
    arrow = pa.Array._import_from_c_device_capsule(schema, array)
    address = found.on_device.ctypes.data
    del found, schema, array
    gc.collect()
    assert arrow.values.buffers()[1].address == address
    assert arrow.type == pa.list_(pa.float32(), arrow.type.list_size)
    assert len(arrow.to_pylist()[0]) == arrow.type.list_size
    del arrow
    gc.collect()
    assert device_arrow._HELD == {}


def test_what_no_consumer_takes_is_released():
    matrix = device_arrow.ArrowDeviceMatrix(np.zeros((3, 2), np.float32))
    capsules = matrix.__arrow_c_device_array__()
    assert len(device_arrow._HELD) == 1
    del capsules
    gc.collect()
    assert device_arrow._HELD == {}


def test_a_matrix_that_is_on_no_device_says_how_to_keep_it_there(sets):
    found = hr.compute(*sets.generate(1))
    with pytest.raises(InvalidInputError, match="not on a device"):
        found.to_arrow_device()


class InDeviceMemory:
    """A batch of columns as a library on a GPU hands it out; the emulated device's memory is the CPU's."""

    def __init__(self, batch, *, kind=arrow_structures.CUDA, number=0, event=None):
        self._batch, self._kind, self._number, self._event = batch, kind, number, event

    def __arrow_c_device_array__(self, requested_schema=None, **_options):
        schema, array = self._batch.__arrow_c_device_array__()
        pointer = ctypes.pythonapi.PyCapsule_GetPointer
        pointer.restype, pointer.argtypes = ctypes.c_void_p, (ctypes.py_object, ctypes.c_char_p)
        there = arrow_structures.DeviceArray.from_address(pointer(array, arrow_structures.CAPSULE))
        there.device_type, there.device_id = self._kind, self._number
        if self._event is not None:
            there.sync_event = ctypes.addressof(self._event)
        return schema, array


def in_device_memory(table, **where):
    batches = table.combine_chunks().to_batches() or [pa.RecordBatch.from_pylist([], table.schema)]
    return InDeviceMemory(batches[0], **where)


def test_tables_in_a_devices_memory_give_the_same_matrix(sets):
    for seed in range(6):
        generated = sets.generate_complete(seed, rows=50, own=seed % 2 == 0)
        expected = hr.compute(generated.plan, generated.tables)
        there = {name: in_device_memory(table) for name, table in generated.tables.items()}
        found = hr.compute(generated.plan, there, device=on(EmulatedDevice()))
        assert same_bits(expected.values, found.values).all()


COLUMNS = {
    "flags": pa.array([True, None, False, True, True, None, False, True, True, True, None]),
    "small": pa.array([1, None, 3, 4, 5, 6, 7, 8, 9, 10, 11], pa.int8()),
    "floats": pa.array([1.5, None, float("nan"), -0.0, 0, 1, 2, 3, 4, 5, 6], pa.float32()),
    "times": pa.array([0, 1, None, 3, 4, 5, 6, 7, 8, 9, 10], pa.timestamp("us", "UTC")),
    "words": pa.array(["", None, "über", "c", "d", "e", "f", "g", "h", "i", "j"]),
    "large": pa.array(["", None, "über", "c", "d", "e", "f", "g", "h", "i", "j"], pa.large_string()),
    "codes": pa.array(["a", None, "a", "b", "b", "b", "b", "b", "b", "b", "c"]).dictionary_encode(),
    "nothing": pa.nulls(11),
}


@pytest.mark.parametrize("cut", [(0, 11), (3, 7), (9, 2), (5, 0), (11, 0)])
@pytest.mark.parametrize("kind", [arrow_structures.CUDA, arrow_structures.CUDA_MANAGED, arrow_structures.CUDA_HOST])
def test_every_type_of_column_comes_from_a_devices_memory(cut, kind):
    batch = pa.record_batch(COLUMNS).slice(*cut)
    expected = pa.Table.from_batches([batch])
    found = as_table("t", InDeviceMemory(batch, kind=kind), [EmulatedDevice(number=1), EmulatedDevice()])
    found.validate(full=True)
    assert found.schema == expected.schema
    assert [str(value) for value in found.to_pylist()] == [str(value) for value in expected.to_pylist()]


def test_the_producers_work_is_waited_for():
    emulated, event = EmulatedDevice(), ctypes.c_size_t(4711)
    as_table("t", InDeviceMemory(pa.record_batch(COLUMNS), event=event), [emulated])
    assert emulated.waited_for == 4711


def test_buffers_in_a_devices_memory_are_released():
    before = pa.total_allocated_bytes()
    values = InDeviceMemory(pa.record_batch({"a": pa.array(range(100_000))}))
    found = as_table("t", values, [EmulatedDevice()])
    assert found.num_rows == 100_000
    del values, found
    gc.collect()
    assert pa.total_allocated_bytes() <= before


@pytest.mark.parametrize(
    ("values", "error", "says"),
    [
        (lambda: {"a": [1]}, InvalidInputError, "table 't' is a dict, which is not a table"),
        (
            lambda: InDeviceMemory(pa.record_batch({"a": pa.array([[1]])})),
            InvalidInputError,
            r"column 'a' of table 't' has type list<.*> in a device's memory",
        ),
        (lambda: InDeviceMemory(pa.array([1, 2])), InvalidInputError, "cannot be read as Arrow|not a batch of columns"),
        (lambda: InDeviceMemory(pa.record_batch(COLUMNS), kind=7), InvalidInputError, "no CUDA device .device type 7"),
        (lambda: InDeviceMemory(pa.record_batch(COLUMNS), number=3), UnavailableError, "table 't' is on CUDA device 3"),
    ],
)
def test_what_cannot_be_read_is_said(values, error, says):
    with pytest.raises(error, match=says):
        as_table("t", values(), [EmulatedDevice()])


def test_a_device_that_fails_while_it_is_read_is_said():
    lost = EmulatedDevice(lost_after=0)
    with pytest.raises(UnavailableError, match="table 't' cannot be read from its device: emulated: an illegal memory"):
        as_table("t", InDeviceMemory(pa.record_batch(COLUMNS)), [lost])
