"""Checkpoints: what a killed training goes on from."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from headrace.core.files import write_atomic
from headrace.core.hashing import digest_bytes
from headrace.training.trained import CurvePoint


@dataclass(frozen=True)
class Interrupted:
    """Where a training was when its last checkpoint was written.

    Attributes:
        model_text: the trees so far.
        curve: the validation curve so far.
        resumed_at: numbers of trees at which it had gone on from a checkpoint before.
    """

    model_text: str
    curve: tuple[CurvePoint, ...]
    resumed_at: tuple[int, ...]

    @property
    def trees(self) -> int:
        """Rounds of trees that are there."""
        return self.curve[-1].trees


@dataclass
class Checkpoint:
    """One file that holds a training's trees so far, written whole or not at all, at most every so many seconds.

    The trees that follow a resumption are not the ones that would have come without it (random draws start anew), so
    the model says where it was resumed; the same data, settings and places of resumption give the same model.

    Attributes:
        path: the file.
        identity: what is trained on what, such as a digest of data and settings; another one's checkpoint is not read.
        every_s: seconds between two writes.
        resumed_at: filled where training goes on.
    """

    path: Path
    identity: str
    every_s: float = 30.0
    resumed_at: tuple[int, ...] = ()
    _written: float = field(default_factory=time.monotonic)

    def __call__(self, booster: Any, curve: Sequence[CurvePoint]) -> None:
        """Write the trees so far where it is time; a `TreeWatcher`."""
        if not curve or time.monotonic() - self._written < self.every_s:
            return
        text = booster.model_to_string(num_iteration=-1)
        body = {
            "identity": self.identity,
            "digest": digest_bytes(text.encode()),
            "model": text,
            "curve": [[point.trees, point.value] for point in curve],
            "resumed_at": list(self.resumed_at),
        }
        self.path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(self.path, json.dumps(body).encode())
        self._written = time.monotonic()

    def read(self) -> Interrupted | None:
        """What to go on from; None where there is nothing, it is of another training, or it cannot be read."""
        try:
            body = json.loads(self.path.read_bytes())
            if body["identity"] != self.identity or digest_bytes(body["model"].encode()) != body["digest"]:
                return None
            curve = tuple(CurvePoint(trees, value) for trees, value in body["curve"])
            return Interrupted(body["model"], curve, tuple(body["resumed_at"])) if curve else None
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def clear(self) -> None:
        """Forget the checkpoint: training is done."""
        self.path.unlink(missing_ok=True)
