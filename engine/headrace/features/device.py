"""Where features are computed: on the CPU, on CUDA devices, or wherever it takes less time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from headrace.core.errors import InvalidInputError, UnavailableError

if TYPE_CHECKING:
    from headrace_kernels.cuda.device import Device


class DeviceMode(StrEnum):
    """What a caller asks for.

    `auto` uses CUDA where there is a device and copies are worth it; `cuda` wherever there is a kernel.
    """

    AUTO = "auto"
    CPU = "cpu"
    CUDA = "cuda"


@dataclass(frozen=True)
class Devices:
    """The devices of a computation.

    Attributes:
        mode: what was asked for.
        devices: CUDA devices, none where the CPU does everything.
        reason: why there are none, where CUDA was looked for; else empty.
        keep_matrix: whether the matrix stays on the device as well, for what reads it there next; with one device.
    """

    mode: DeviceMode = DeviceMode.CPU
    devices: Sequence[Device] = ()
    reason: str = ""
    keep_matrix: bool = False

    @property
    def names(self) -> str:
        """The devices in words."""
        return ", ".join(f"{device.name} {device.number}" for device in self.devices) or "cpu"

    def to_json(self) -> dict[str, Any]:
        """As JSON data."""
        return {"asked": str(self.mode), "devices": [device.name for device in self.devices], "reason": self.reason}


CPU_ONLY = Devices()


def open_devices(mode: DeviceMode | str, *, keep_matrix: bool = False) -> Devices:
    """Find the CUDA devices of this machine.

    Args:
        mode: what is asked for.
        keep_matrix: as in `Devices`.

    Raises:
        InvalidInputError: the mode is none of these.
        UnavailableError: CUDA is required and there is none; the message says why.
    """
    if mode not in set(DeviceMode):
        raise InvalidInputError(f"there is no device '{mode}'", hint=f"choose one of {', '.join(DeviceMode)}")
    mode = DeviceMode(mode)
    if mode is DeviceMode.CPU:
        return CPU_ONLY
    from headrace_kernels.cuda.device import DeviceError, all_devices

    try:
        return Devices(mode, tuple(all_devices()), keep_matrix=keep_matrix)
    except DeviceError as error:
        if mode is DeviceMode.CUDA:
            raise UnavailableError(
                f"CUDA is required and cannot be used: {error}", hint="choose the device auto or cpu"
            ) from error
        return Devices(mode, (), str(error))


@dataclass(frozen=True)
class Placement:
    """Where some features were computed.

    Attributes:
        what: table and key, and the statistics where only some of them are meant.
        device: `cuda` or `cpu`.
        features: how many.
        reason: why the CPU, where a device was there; else empty.
    """

    what: str
    device: str
    features: int
    reason: str = ""
