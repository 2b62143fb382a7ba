"""One computation's work on devices: what goes there, what comes back, what the CPU takes over from one that fails."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

import numpy as np

from headrace.core.logging import get_logger
from headrace.core.progress import Step
from headrace.features.device import Devices, Placement
from headrace.features.executor.block_groups import GroupKey, GroupWork, name_of
from headrace.features.executor.device.blocks import DeviceBlock, StatesOnDevice, WindowsOnDevice
from headrace.features.executor.device.group import DeviceGroup
from headrace.features.executor.device.targets import BlocksDown, DeviceTarget, MatrixUp
from headrace.features.executor.key_groups import Block, Target
from headrace.features.executor.keys import KeyCodes
from headrace.features.executor.spine import Spine
from headrace.features.executor.states import StateBlock
from headrace.features.executor.windows import WindowBlock
from headrace_kernels.cpu.partitions import ForEach
from headrace_kernels.cuda import device
from headrace_kernels.cuda.device import DeviceArray, DeviceError, OutOfMemoryError

_LOG = get_logger("features")
_Value = TypeVar("_Value")
_RESIDENT_SHARE = 0.4
_TRIES = 4


class DeviceRun:
    """The devices of one computation.

    A device that fails is not asked again: what it had not delivered becomes the host's work, with a warning.

    Args:
        devices: where; at least one.
        spine: the rows that ask.
        target: the host's matrix.
        for_each: runs pieces of the host's work on threads.

    Attributes:
        placements: what was computed where.
    """

    def __init__(self, devices: Devices, spine: Spine, target: Target, for_each: ForEach) -> None:
        self.placements: list[Placement] = []
        self._devices = devices.devices
        self._spine = spine
        self._target = target
        self._for_each = for_each
        self._keep = devices.keep_matrix
        self._resident: MatrixUp | None = None
        self._lost = ""
        self._done: dict[GroupKey, list[Block]] = {}

    def run(self, groups: Mapping[GroupKey, GroupWork], codes: Mapping[GroupKey, KeyCodes], step: Step) -> None:
        """Compute the groups' blocks for devices; those that a device failed at are moved to the host's."""
        self._resident = self._make_resident([slot for work in groups.values() for slot in _slots(work.device)])
        for key, work in groups.items():
            step.note(f"{name_of(key)} on {self._devices[0].name}")
            if self._try(name_of(key), codes[key], work.device):
                self._done[key] = work.device
            else:
                _move(work)
        if not self._download():
            for key in self._done:
                self._tell(name_of(key), groups[key].device, self._lost)
                _move(groups[key])
            self._done.clear()
        for key, blocks in self._done.items():
            self.placements.append(Placement(name_of(key), "cuda", len(_slots(blocks))))

    def keep(self, codes: Mapping[GroupKey, KeyCodes]) -> DeviceArray | None:
        """The whole matrix on the device, with what the host has written since: float32[n_rows, n_features].

        None where it does not fit there, or the device failed.
        """
        if self._resident is None or self._lost:
            return None
        written = {slot for blocks in self._done.values() for slot in _slots(blocks)}
        n_features = self._target.matrix.shape[1]
        try:
            with device.use(self._devices[0]):
                self._resident.upload([slot for slot in range(n_features) if slot not in written])
                for key, blocks in self._done.items():
                    keyless = np.flatnonzero(codes[key].right < 0)
                    if len(keyless):
                        self._resident.upload([slot for slot in _slots(blocks) if slot < n_features], keyless)
        except DeviceError as error:
            self._fail(error)
            return None
        return self._resident.matrix

    def _try(self, what: str, codes: KeyCodes, blocks: Sequence[Block]) -> bool:
        if self._lost:
            self._tell(what, blocks, self._lost)
            return False
        group = DeviceGroup(codes, [self._on_device(block) for block in blocks], self._spine, self._for_each)
        target: DeviceTarget = self._resident or BlocksDown(self._target)
        try:
            _with_less(lambda smaller: group.run_on(self._devices, target, smaller=smaller))
        except DeviceError as error:
            self._fail(error)
            self._tell(what, blocks, str(error))
            return False
        return True

    def _download(self) -> bool:
        if self._resident is None or not self._done:
            return True
        try:
            with device.use(self._devices[0]):
                self._resident.download()
        except DeviceError as error:
            self._fail(error)
            self._lost = self._lost or str(error)
            return False
        return True

    def _fail(self, error: DeviceError) -> None:
        if not isinstance(error, OutOfMemoryError):
            self._lost = f"the device failed: {error}"

    def _make_resident(self, slots: Sequence[int]) -> MatrixUp | None:
        """A matrix on the device where there is one device, with room, and most columns are written there."""
        matrix, extra, here = self._target.matrix, self._target.extra, self._devices[0]
        few = 2 * len(slots) < matrix.shape[1]
        large = matrix.nbytes + extra.nbytes > _RESIDENT_SHARE * here.free_bytes
        if len(self._devices) > 1 or (not self._keep and (few or large)):
            return None
        try:
            with device.use(here):
                return MatrixUp(self._target)
        except DeviceError as error:
            _LOG.warning("matrix_not_on_device", reason=str(error))
            return None

    def _on_device(self, block: Block) -> DeviceBlock:
        if isinstance(block, WindowBlock):
            return WindowsOnDevice(block, self._spine)
        assert isinstance(block, StateBlock)
        return StatesOnDevice(block)

    def _tell(self, what: str, blocks: Sequence[Block], reason: str) -> None:
        features = len(_slots(blocks))
        self.placements.append(Placement(what, "cpu", features, reason))
        _LOG.warning("computed_on_cpu", what=what, features=features, reason=reason)


def _slots(blocks: Sequence[Block]) -> list[int]:
    return [slot for block in blocks for slot in block.slots]


def _move(work: GroupWork) -> None:
    work.host.extend(work.device)
    work.device = []


def _with_less(work: Callable[[int], _Value]) -> _Value:
    """Do the work, with smaller and smaller pieces while the device's memory does not suffice."""
    for attempt in range(_TRIES):
        try:
            return work(4**attempt)
        except OutOfMemoryError as error:
            if attempt == _TRIES - 1:
                raise
            _LOG.warning("device_memory_short", reason=str(error), tries_left=_TRIES - 1 - attempt)
    raise AssertionError
