"""What `compute` gives: the matrix a model reads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from headrace.core.errors import InvalidInputError, did_you_mean

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
