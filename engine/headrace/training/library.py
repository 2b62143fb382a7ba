"""The one place that loads LightGBM, with threads that wait instead of spinning."""

from __future__ import annotations

import os
from typing import Any


def load_lightgbm() -> Any:
    """Import LightGBM where it is needed.

    Its OpenMP threads spin between the many short loops of a tree. On a machine with other work, one spins while the
    other waits for a core: training took 4 to 32 s there instead of 0.8 (docs/decisions/0403). OpenMP reads its wait
    policy once, when it is loaded, so it is set here, unless the user has set it. Where another library has loaded
    OpenMP before, this does nothing.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    import lightgbm

    return lightgbm
