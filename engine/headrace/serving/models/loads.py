"""Which loads succeeded, failed or fell back, counted for the metrics."""

from __future__ import annotations

import threading
from collections import Counter

from headrace.core.errors import HeadraceError
from headrace.serving.runtime.backend import Placement


class LoadRecord:
    """Counts of loads by (model, version, outcome); safe from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loads: Counter[tuple[str, str, str]] = Counter()
        self._fallbacks: Counter[tuple[str, str]] = Counter()

    def succeeded(self, model: str, version: int, placement: Placement) -> None:
        """Count a load, and its fallback to the CPU where it is one."""
        with self._lock:
            self._loads[model, str(version), "ok"] += 1
            if placement.fell_back:
                self._fallbacks[model, placement.reason] += 1

    def fell_back(self, model: str, reason: str) -> None:
        """Count a batch that a device failed with and the CPU answered."""
        with self._lock:
            self._fallbacks[model, reason] += 1

    def failed(self, model: str, version: int, error: HeadraceError) -> None:
        """Count a refused load under its error's code."""
        with self._lock:
            self._loads[model, str(version), error.code.value] += 1

    def counts(self) -> tuple[dict[tuple[str, str, str], int], dict[tuple[str, str], int]]:
        """Snapshot: loads by (model, version, outcome), fallbacks by (model, reason)."""
        with self._lock:
            return dict(self._loads), dict(self._fallbacks)
