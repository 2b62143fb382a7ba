"""What happens between two trees: the curve, early stopping, progress, and whoever else wants to look."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from headrace.core.progress import Step
from headrace.training.library import load_lightgbm
from headrace.training.objectives import Metric
from headrace.training.trained import CurvePoint

_BLOCKS = "▁▂▃▄▅▆▇█"
_WIDTH = 12


class TreeWatcher(Protocol):
    """Whoever is told after each round of trees; it may end training by raising."""

    def __call__(self, booster: Any, curve: Sequence[CurvePoint]) -> None:
        """Look at the booster and at the validation curve so far."""
        ...


class Watch:
    """LightGBM callback: keeps the validation curve, shows it, stops early, and tells the others."""

    before_iteration = False
    order = 0

    def __init__(
        self,
        step: Step,
        metric: Metric,
        *,
        patience: int = 0,
        curve: Sequence[CurvePoint] = (),
        watchers: Sequence[TreeWatcher] = (),
    ) -> None:
        self.curve = list(curve)
        self._step = step
        self._metric = metric
        self._patience = patience
        self._watchers = watchers
        self._best: CurvePoint | None = None
        for point in curve:
            self._look(point)

    @property
    def best(self) -> CurvePoint | None:
        """The point of the curve with the best value, the earliest of equal ones; None without a curve."""
        return self._best

    def __call__(self, env: Any) -> None:
        """Look at one round's outcome, as LightGBM tells it."""
        trees = env.iteration + 1
        self._step.advance()
        for _part, _name, value, *_rest in env.evaluation_result_list or ():
            point = CurvePoint(trees, float(value))
            self.curve.append(point)
            self._look(point)
            self._step.note(f"{self._metric.name} {value:.4f} {sparkline([one.value for one in self.curve])}")
        for watcher in self._watchers:
            watcher(env.model, self.curve)
        if self._patience and self._best is not None and trees - self._best.trees >= self._patience:
            raise load_lightgbm().callback.EarlyStopException(self._best.trees - 1, env.evaluation_result_list)

    def _look(self, point: CurvePoint) -> None:
        sign = 1.0 if self._metric.higher_is_better else -1.0
        if self._best is None or sign * point.value > sign * self._best.value:
            self._best = point


def sparkline(values: Sequence[float], width: int = _WIDTH) -> str:
    """A curve in a few characters, lowest to highest value; NaN is a gap."""
    if not values:
        return ""
    step = max(1, len(values) // width)
    shown = [*values[::step][-width:-1], values[-1]] if len(values) > 1 else list(values)
    known = [value for value in shown if value == value]  # noqa: PLR0124  NaN
    if not known:
        return " " * len(shown)
    low, high = min(known), max(known)
    scale = (len(_BLOCKS) - 1) / (high - low) if high > low else 0.0
    return "".join(_BLOCKS[round((value - low) * scale)] if value == value else " " for value in shown)  # noqa: PLR0124
