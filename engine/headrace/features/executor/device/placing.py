"""Which features go to a device: those with a kernel; if the caller leaves it open, where copies are worth it."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from dataclasses import dataclass

from headrace.features.device import DeviceMode, Devices
from headrace.features.executor.statistics import family_of
from headrace.features.plan import WindowStep
from headrace_kernels.arrays import Statistic

_ALL_OF = frozenset({"moments", "extremes", "ends"})
"""Families all of whose statistics have CUDA kernels."""

_EVENT_S = 25e-9
_WINDOW_S = 6e-9
"""What the CPU takes to sort an event, and for one feature of a row: docs/decisions/0107."""

_DEVICE_BYTES_PER_S = 1e12
"""What a device moves in its own memory, about a quarter of what the data sheets of today's say."""

_DEVICE_START_S = 0.05
_ADVANTAGE = 1.5
"""A device is used where it is expected to be so many times faster."""


@dataclass(frozen=True)
class GroupSize:
    """How much work a group of features is.

    Attributes:
        events: rows of the table that they read.
        asking: rows that ask.
        features: columns of the result.
        columns: columns that have to be copied, 8 bytes a row each.
    """

    events: int
    asking: int
    features: int
    columns: int


def split_steps(
    steps: Sequence[tuple[WindowStep, int]],
) -> tuple[list[tuple[WindowStep, int]], dict[str, list[tuple[WindowStep, int]]]]:
    """Steps with a CUDA kernel, and the others by the reason why there is none."""
    there: list[tuple[WindowStep, int]] = []
    others: dict[str, list[tuple[WindowStep, int]]] = {}
    for step, slot in steps:
        reason = _missing(step)
        (others.setdefault(reason, []) if reason else there).append((step, slot))
    return there, others


def why_not(size: GroupSize, devices: Devices, threads: int, *, late: bool) -> str:
    """Why a group stays on the CPU although it has kernels; empty where it goes to a device."""
    if devices.mode is DeviceMode.CUDA:
        return ""
    if late:
        return "events may become known out of order: CUDA windows are then read event by event"
    on_cpu = (size.events * _EVENT_S + size.asking * size.features * _WINDOW_S) / threads
    up = size.events * (12 + 8 * size.columns) + size.asking * 12
    link = max(min(each.link_bytes_per_second for each in devices.devices), 1.0)
    inside = (size.events * 200 + size.asking * size.features * 40) / (_DEVICE_BYTES_PER_S * len(devices.devices))
    on_device = _DEVICE_START_S + (up + size.asking * size.features * 4) / link + inside
    if on_device * _ADVANTAGE < on_cpu:
        return ""
    return f"{on_cpu:.2f} s expected on the CPU, {on_device:.2f} s with copies on CUDA"


def _missing(step: WindowStep) -> str:
    """Why a step has no CUDA kernel; empty where it has one."""
    family, statistic = family_of(step), Statistic[step.statistic.upper()]
    if family in _ALL_OF:
        return ""
    kernels = importlib.import_module(f"headrace_kernels.cuda.{family}")
    return "" if statistic in kernels.SUPPORTED else f"{step.statistic} has no CUDA kernel"
