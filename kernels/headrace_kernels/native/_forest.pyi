from typing import Any

import numpy as np
import numpy.typing as npt

class Forest64:
    def __init__(self, **arrays: Any) -> None: ...
    def score(self, rows: npt.NDArray[np.float32], scores: npt.NDArray[Any]) -> None: ...

class Forest32:
    def __init__(self, **arrays: Any) -> None: ...
    def score(self, rows: npt.NDArray[np.float32], scores: npt.NDArray[Any]) -> None: ...

def available_instructions() -> list[str]: ...
def link_scores(
    scores: npt.NDArray[Any], kind: int, base: float, divisor: float, predictions: npt.NDArray[np.float32]
) -> None: ...
def classify_scores(
    scores: npt.NDArray[np.float32],
    transform: int,
    all_positive: bool,
    classes: npt.NDArray[np.int64],
    labels: npt.NDArray[np.int64],
    probabilities: npt.NDArray[np.float32],
) -> None: ...
