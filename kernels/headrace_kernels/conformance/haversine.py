"""Cases of distances: near, far, across the poles and the date line, equal and opposite points, no places."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from headrace_kernels.conformance.case import Case
from headrace_kernels.conformance.worlds import to_device
from headrace_kernels.cpu import haversine as cpu
from headrace_kernels.cuda import device
from headrace_kernels.cuda import haversine as cuda

_ODD = np.array([0.0, -0.0, 90.0, -90.0, 45.0, 180.0, -180.0, 360.0, 360.1, 90.5, 1e-300, np.nan, np.inf, -np.inf])


def cases(rng: np.random.Generator, size: int) -> Iterator[Case]:
    """Random points, points close to each other, and unfriendly ones."""
    places = np.array([rng.uniform(-90, 90, size), rng.uniform(-360, 360, size)] * 2)
    near = places + rng.normal(scale=1e-7, size=places.shape)
    near[2:] = near[:2] + rng.normal(scale=1e-9, size=near[:2].shape)
    opposite = np.array([places[0], places[1], -places[0], places[1] - 180.0])
    odd = rng.choice(_ODD, places.shape)
    mixed = np.where(rng.random(places.shape) < 0.2, odd, np.array([*places[:2], *near[:2]]))
    for label, points in (("anywhere", mixed), ("near", near), ("opposite", opposite), ("odd", odd)):
        yield _case("haversine_km", f"{label}, {size:,}", *points)


def _case(kernel: str, label: str, *arguments: Any) -> Case:
    on_cpu, on_device = getattr(cpu, kernel), getattr(cuda, kernel)
    return Case(
        kernel, label,
        expected=lambda: [on_cpu(*arguments)],
        found=lambda: [device.get(on_device(*map(to_device, arguments)))],
    )  # fmt: skip
