"""Boosters that were trained elsewhere, in a process of their own: LightGBM trusts a model text, and dies of a bad one.

python -m headrace.training.foreign MODEL.txt ROWS.npy ANSWERS.npz
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from headrace.core.errors import CorruptedError

TIMEOUT_S = 300


class ForeignBooster:
    """What a foreign booster answers to some rows, as a booster answers.

    Args:
        text: the model text.
        rows: float32[n, F]; `predict` is asked for these and no others.

    Raises:
        CorruptedError: LightGBM does not take the text, or dies of it.
    """

    best_iteration = -1

    def __init__(self, text: str, rows: npt.NDArray[np.float32]) -> None:
        self._text = text
        self._predictions, self._leaves = _ask(text, rows)

    def model_to_string(self, num_iteration: int | None = None, start_iteration: int = 0) -> str:  # noqa: ARG002
        """The model text."""
        return self._text

    def predict(self, data: Any, *, pred_leaf: bool = False, **_arguments: Any) -> npt.NDArray[Any]:
        """Predictions, or leaf numbers, of the rows given at first."""
        found = self._leaves if pred_leaf else self._predictions
        assert len(data) == len(found), "it knows the answers to the rows given at first"
        return found


def _ask(text: str, rows: npt.NDArray[np.float32]) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    with tempfile.TemporaryDirectory() as folder:
        model, asked, answers = (Path(folder) / name for name in ("model.txt", "rows.npy", "answers.npz"))
        model.write_text(text)
        np.save(asked, rows)
        command = [sys.executable, "-m", __name__, str(model), str(asked), str(answers)]
        try:
            done = subprocess.run(  # noqa: S603  our own program
                command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=TIMEOUT_S
            )
        except subprocess.TimeoutExpired as error:
            raise CorruptedError(f"LightGBM did not read the model text within {TIMEOUT_S} s") from error
        if done.returncode != 0:
            words = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
            raise CorruptedError(f"LightGBM cannot read the model text (exit code {done.returncode}): {words}")
        with np.load(answers) as found:
            return found["predictions"], found["leaves"]


def main() -> None:
    """Read a model text and answer rows from a file."""
    import lightgbm as lgb

    model, asked, answers = map(Path, sys.argv[1:])
    booster = lgb.Booster(model_file=model)
    rows = np.load(asked).astype(np.float64)
    predictions = np.asarray(booster.predict(rows, num_threads=1))
    leaves = np.asarray(booster.predict(rows, pred_leaf=True, num_threads=1))
    np.savez(answers, predictions=predictions, leaves=leaves)


if __name__ == "__main__":
    main()
