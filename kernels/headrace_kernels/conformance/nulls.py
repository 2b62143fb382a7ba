"""Cases of NaN as null."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from headrace_kernels.conformance.case import Case
from headrace_kernels.conformance.worlds import make_column
from headrace_kernels.cuda import device, nulls


def cases(rng: np.random.Generator, size: int) -> Iterator[Case]:
    """Values with and without nulls."""
    column = make_column(rng, size, kind="unfriendly", nulls=True)
    valid = column.valid
    assert valid is not None
    yield Case(
        "known_values", f"{size:,} values",
        expected=lambda: [valid & ~np.isnan(column.values), ~np.isnan(column.values)],
        found=lambda: [
            device.get(nulls.known_values(device.put(column.values), known)) for known in (device.put(valid), None)
        ],
    )  # fmt: skip
