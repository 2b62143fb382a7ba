"""How many rows a graph may be given at once on CUDA, by what it says of itself."""

from __future__ import annotations

from collections.abc import Mapping

BYTES_PER_ROW = "headrace.bytes_per_row"
"""In a graph's metadata: memory that one row takes while it runs on CUDA. Larger batches are cut."""

MOST_ROWS = "headrace.most_rows"
"""In a graph's metadata: rows for which ONNX Runtime's CUDA operators count their elements exactly (0305)."""

RUN_BYTES = 1 << 30
"""Device memory that a run may take by the former."""


def rows_of_a_run(metadata: Mapping[str, str]) -> int | None:
    """Rows of a run; None for any number. What is no number counts as not said."""
    row_bytes, most_rows = (_positive(metadata.get(key, "")) for key in (BYTES_PER_ROW, MOST_ROWS))
    limits = [most_rows] if most_rows else []
    limits += [max(1, RUN_BYTES // row_bytes)] if row_bytes else []
    return min(limits) if limits else None


def _positive(text: str) -> int:
    return int(text) if text.isdecimal() else 0
