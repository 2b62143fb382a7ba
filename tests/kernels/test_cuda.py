"""CUDA kernels without a GPU: their sources compile for real ones, and run on the CPU with the CPU kernels' bits."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from headrace_kernels.conformance import cases_of, run_case, suites
from headrace_kernels.conformance.case import EDGES
from headrace_kernels.cuda import device
from headrace_kernels.cuda.device import DeviceError
from headrace_kernels.cuda.source import Source, all_sources

sys.path.insert(0, str(Path(__file__).parent / "devices"))
from emulated_device import COMPILER, EmulatedDevice

needs_compiler = pytest.mark.skipif(COMPILER is None, reason="no C++ compiler: the emulator cannot be built")
MOST_REGISTERS = 128
SOURCES = all_sources()


@pytest.mark.parametrize("architecture", ["sm_80", "sm_90"])
@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.name)
def test_every_source_compiles_for_real_gpus_without_spills(source, architecture):
    nvrtc = pytest.importorskip("nvrtc", reason="cuda-bindings is not installed")
    code, resources, log = nvrtc.compile_source(source, architecture)
    assert code[:4] == b"\x7fELF"
    assert resources.keys() == source.kernels.keys(), log
    assert {name: spilled for name, (_, spilled) in resources.items() if spilled} == {}
    assert {name: registers for name, (registers, _) in resources.items() if registers > MOST_REGISTERS} == {}


@needs_compiler
@pytest.mark.parametrize("size", EDGES)
@pytest.mark.parametrize("suite", suites())
def test_a_kernel_gives_the_bits_of_the_cpu(suite, size):
    """In two orders of blocks and threads: a result that depended on it would be a race."""
    for seed in (0, 7):
        with device.use(EmulatedDevice(seed)):
            outcomes = [run_case(case) for case in cases_of(suite, size, seed=size + 1)]
        assert outcomes
        assert [each for each in outcomes if each.problem] == []


@needs_compiler
def test_a_launch_refuses_what_a_kernel_does_not_take():
    source = Source("scan")
    with device.use(EmulatedDevice()):
        flags, totals = device.put(np.zeros(4, np.bool_)), device.zeros(1, np.uint64)
        with pytest.raises(TypeError, match="points to int64, not bool"):
            source.launch_blocks("total_i64", 1, flags, 4, totals)
        with pytest.raises(TypeError, match="takes 3 arguments"):
            source.launch_blocks("total_i64", 1, flags, 4)
        with pytest.raises(TypeError, match="C-contiguous"):
            source.launch_blocks("total_i64", 1, device.zeros(8, np.int64)[::2], 4, totals)


@needs_compiler
def test_the_emulator_finds_a_write_beside_an_array():
    with device.use(EmulatedDevice()), pytest.raises(DeviceError, match="beside an array"):
        Source("scan").launch_blocks("scan_i64", 1, device.zeros(9, np.int64), 9, None, device.zeros(3, np.int64))


def test_without_a_gpu_there_is_a_reason():
    assert device.why_unavailable()
