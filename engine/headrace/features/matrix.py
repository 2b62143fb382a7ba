"""What `compute` gives: the matrix a model reads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from headrace.core.errors import InvalidInputError, did_you_mean
from headrace.core.hashing import canonical_json

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


@dataclass(frozen=True)
class FeatureMatrix:
    """Feature values, one row a spine row, in the spine's order.

    Attributes:
        names: feature names, one a column.
        values: float32[n_rows, n_features], C-contiguous; NaN = missing.
        query_time: int64[n_rows], microseconds since 1970-01-01 UTC.
    """

    names: tuple[str, ...]
    values: npt.NDArray[np.float32]
    query_time: npt.NDArray[np.int64]

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

    def __repr__(self) -> str:
        return f"FeatureMatrix({self.values.shape[0]:,} rows x {len(self.names)} features)"
