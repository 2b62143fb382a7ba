"""The dtypes and array roles of every kernel, named once.

Times are microseconds since 1970-01-01 UTC. A key code below zero means "no key": such a row belongs to no group.
"""

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Times: TypeAlias = npt.NDArray[np.int64]
"""int64[n], microseconds since 1970-01-01 UTC."""

Codes: TypeAlias = npt.NDArray[np.int32]
"""int32[n], key of each row in [0, n_keys), or -1."""

Positions: TypeAlias = npt.NDArray[np.int64]
"""int64[n], positions of rows in their table."""

Starts: TypeAlias = npt.NDArray[np.int64]
"""int64[n_keys + 1], where each key's rows begin; the last entry is their number."""

Integers: TypeAlias = npt.NDArray[np.int64]
"""int64[n]."""

Floats: TypeAlias = npt.NDArray[np.float64]
"""float64[n]; NaN and Inf allowed."""

Hashes: TypeAlias = npt.NDArray[np.uint64]
"""uint64[n]."""

Bytes: TypeAlias = npt.NDArray[np.uint8]
"""uint8[n]."""

Flags: TypeAlias = npt.NDArray[np.bool_]
"""bool[n]."""

Matrix: TypeAlias = npt.NDArray[np.float32]
"""float32[n_rows, n_features], C-contiguous; NaN = missing."""

MAX_TIME_US = 2**61
"""Times lie strictly between minus and plus this (73,000 years), so that times and widths never overflow."""
