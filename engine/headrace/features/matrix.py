"""What `compute` gives: the matrix a model reads."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from headrace.core.errors import InvalidInputError, did_you_mean
from headrace.core.hashing import canonical_json
from headrace.features.device import Placement

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from headrace.features.device_arrow import ArrowDeviceMatrix


@dataclass(frozen=True)
class FeatureMatrix:
    """Feature values, one row a spine row, in the spine's order.

    Attributes:
        names: feature names, one a column.
        values: float32[n_rows, n_features], C-contiguous; NaN = missing.
        query_time: int64[n_rows], microseconds since 1970-01-01 UTC.
        placements: what was computed on a device, and what was not, and why; empty where none was asked for.
        on_device: the same values on the CUDA device, with `__dlpack__` and `__cuda_array_interface__`, where they were
            to be kept there and fit; else None.
    """

    names: tuple[str, ...]
    values: npt.NDArray[np.float32]
    query_time: npt.NDArray[np.int64]
    placements: tuple[Placement, ...] = field(default=(), compare=False)
    on_device: Any = field(default=None, compare=False, repr=False)

    @property
    def digest(self) -> str:
        """SHA-256 over names, shape, query times and every bit of every value; 64 hexadecimal characters."""
        import hashlib

        found = hashlib.sha256(canonical_json([list(self.names), list(self.values.shape)]))
        found.update(self.query_time.data)
        found.update(self.values.data)
        return found.hexdigest()

    def column(self, name: str) -> npt.NDArray[np.float32]:
        """One feature's values: float32[n_rows], a strided view; NaN = missing.

        Raises:
            InvalidInputError: there is no such feature.
        """
        if name not in self.names:
            raise InvalidInputError(f"there is no feature '{name}' in the matrix", hint=did_you_mean(name, self.names))
        return self.values[:, self.names.index(name)]

    def to_arrow_device(self) -> ArrowDeviceMatrix:
        """The values on the device for whoever reads Arrow there: a fixed-size list of float32 a row, without a copy.

        Raises:
            InvalidInputError: the matrix was not kept on a device.
        """
        from headrace.features.device_arrow import ArrowDeviceMatrix

        if self.on_device is None:
            raise InvalidInputError(
                "the matrix is not on a device", hint="compute(..., device=open_devices('cuda', keep_matrix=True))"
            )
        return ArrowDeviceMatrix(self.on_device)

    def __repr__(self) -> str:
        return f"FeatureMatrix({self.values.shape[0]:,} rows x {len(self.names)} features)"
